import { hash } from 'node:crypto';
import type { Catalog } from '../../catalog/catalog.ts';
import { HeadwaterError } from '../../errors.ts';
import { assemble, type Document, gzipSegment } from './gzip-segment.ts';
import { renderIndex } from './render.ts';
import { StreamDocument, type TimeOf } from './stream-document.ts';

/** Every document, as of one revision of the catalog. */
interface Snapshot {
  revision: number;
  streams: ReadonlyMap<string, StreamDocument>;
  /** Indexes made so far, by the streams in them. */
  indexes: Map<string, Promise<Document>>;
}

/**
 * The simplestreams documents, rendered from the catalog and kept in memory. They follow every change of the catalog,
 * by any process, and are swapped all at once.
 */
export class Documents {
  readonly #catalog: Catalog;
  readonly #onError: (error: unknown) => void;
  readonly #onRendered: (rendered: { revision: number; milliseconds: number }) => void;
  readonly #beforeSwap: (documents: Document[]) => Promise<void>;
  #snapshot: Snapshot = { revision: -1, streams: new Map(), indexes: new Map() };
  /** The revision of the last change of this process. */
  #committed = -1;
  #rendering: Promise<void> | undefined;
  /** The callers that wait for a rendering that has not begun. */
  #waiting: (() => void)[] = [];
  #isStale = false;
  #stop: (() => void) | undefined;

  /**
   * @param hooks.onError told when a change could not be rendered: the documents stay as they were, and the next
   * change tries again
   * @param hooks.onRendered told after each swap
   * @param hooks.beforeSwap given the products documents that a swap changes, which waits until it resolves
   */
  constructor(
    catalog: Catalog,
    hooks: {
      onError: (error: unknown) => void;
      onRendered?: (rendered: { revision: number; milliseconds: number }) => void;
      beforeSwap?: (documents: Document[]) => Promise<void>;
    },
  ) {
    this.#catalog = catalog;
    this.#onError = hooks.onError;
    this.#onRendered = hooks.onRendered ?? (() => undefined);
    this.#beforeSwap = hooks.beforeSwap ?? (() => Promise.resolve());
  }

  /** Renders everything, then follows the catalog until `stop`. */
  async start(): Promise<void> {
    const stopListening = this.#catalog.onCommitted((revision) => {
      this.#committed = Math.max(this.#committed, revision);
      this.#follow();
    });
    const stopWatching = this.#catalog.feed.watch(() => this.#follow());
    this.#stop = () => {
      stopListening();
      stopWatching();
    };
    await this.#render();
  }

  async stop(): Promise<void> {
    this.#stop?.();
    await this.#rendering;
  }

  /** The catalog's revision that the documents show; -1 before the first. */
  get revision(): number {
    return this.#snapshot.revision;
  }

  /**
   * Resolves when the documents show a revision, or could not be rendered.
   * @param revision that of the last change of this process when left out
   */
  async visible(revision = this.#committed): Promise<void> {
    if (this.revision >= revision) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      this.#follow();
    });
  }

  /** Updates the documents from the catalog. */
  #follow(): void {
    this.#isStale = true;
    this.#rendering ??= this.#renderAll();
  }

  /** The names of the existing streams. */
  get streams(): string[] {
    return [...this.#snapshot.streams.keys()];
  }

  /** The products documents that are served now, by stream. */
  get served(): ReadonlyMap<string, StreamDocument> {
    return this.#snapshot.streams;
  }

  /** The products document of a stream, or undefined. */
  stream(name: string): Document | undefined {
    return this.#snapshot.streams.get(name)?.document;
  }

  /** The index of the streams that a client may see. */
  async index(visible: (stream: string) => boolean): Promise<Document> {
    const { streams, indexes } = this.#snapshot;
    const names = [...streams.keys()].filter(visible).sort();
    const key = names.join();
    let index = indexes.get(key);
    if (index === undefined) {
      const entries = names.map((name) => ({ name, products: streams.get(name)?.products ?? [] }));
      index = this.#makeIndex(entries);
      indexes.set(key, index);
    }
    return await index;
  }

  /**
   * The time of the last change of an index.
   * @param form tells the forms of an index from each other
   * @param names the streams that it may name
   * @param content the index but for its time
   */
  async indexTime(form: string, names: readonly string[], content: string): Promise<Date> {
    const document = `${form} ${hash('sha256', names.join())}`;
    return await this.#timeOf(document, this.revision, undefined)(hash('sha256', content));
  }

  async #makeIndex(entries: { name: string; products: readonly string[] }[]): Promise<Document> {
    const render = (updated: Date) => renderIndex(entries, { updated });
    const names = entries.map(({ name }) => name);
    const updated = await this.indexTime('index.json', names, render(new Date(0)));
    return assemble([await gzipSegment(render(updated))]);
  }

  /** @param before the time of the previous document, which is kept if the catalog cannot record another one */
  #timeOf(document: string, revision: number, before: Date | undefined): TimeOf {
    return async (content) => {
      try {
        return await this.#catalog.documentTimes.of(document, { content, revision });
      } catch (error) {
        if (!(error instanceof HeadwaterError)) throw error;
        // Images matter more than the time of a change: what is published is listed.
        return new Date(Math.max(Date.now(), before?.getTime() ?? 0));
      }
    };
  }

  async #renderAll(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false;
      const waiting = this.#waiting.splice(0);
      try {
        await this.#render();
      } catch (error) {
        this.#onError(error);
      }
      for (const resolve of waiting) resolve();
    }
    this.#rendering = undefined;
  }

  async #render(): Promise<void> {
    const started = performance.now();
    const { products, changes } = this.#catalog;
    const old = this.#snapshot;
    const { revision, products: changed } = await changes.since(old.revision);
    if (revision === old.revision) return;
    const streams = new Map(old.streams);
    const timeOf = (stream: string) =>
      this.#timeOf(`stream ${stream}`, revision, streams.get(stream)?.updated);
    if (old.revision < 0) {
      for (const stream of await products.streams()) {
        streams.set(stream, await StreamDocument.render(stream, products, timeOf(stream)));
      }
    } else {
      for (const [stream, names] of groupByStream(changed, streams.values())) {
        const document = streams.get(stream);
        streams.set(
          stream,
          document === undefined
            ? await StreamDocument.render(stream, products, timeOf(stream))
            : await document.update(names, products, timeOf(stream)),
        );
      }
    }
    const indexes = changed.length === 0 ? old.indexes : new Map<string, Promise<Document>>();
    const added = [...streams].filter(([name, document]) => document !== old.streams.get(name));
    await this.#beforeSwap(added.map(([, { document }]) => document));
    this.#snapshot = { revision, streams, indexes };
    this.#onRendered({ revision, milliseconds: performance.now() - started });
  }
}

/** The products whose documents have changed, by stream: also of the one that a product has left. */
function groupByStream(
  changed: { name: string; stream: string }[],
  documents: Iterable<StreamDocument>,
): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  const add = (stream: string, name: string) => {
    const names = groups.get(stream);
    if (names === undefined) groups.set(stream, [name]);
    else names.push(name);
  };
  for (const { name, stream } of changed) add(stream, name);
  for (const document of documents) {
    for (const { name, stream } of changed) {
      if (stream !== document.stream && document.has(name)) add(document.stream, name);
    }
  }
  return groups;
}
