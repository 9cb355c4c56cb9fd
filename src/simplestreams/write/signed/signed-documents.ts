import { setTimeout as sleep } from 'node:timers/promises';
import { assemble, type Document } from '../gzip-segment.ts';
import { signedStreamPath } from '../paths.ts';
import { renderIndex } from '../render.ts';
import type { StreamDocument } from '../stream-document.ts';
import { bytesOf } from './detached-signatures.ts';
import type { ClearSigned } from './signing-messages.ts';

/** A stream as it was signed. */
interface SignedStream {
  source: StreamDocument;
  document: Document;
  /** The names of the products in it. */
  products: readonly string[];
}

/** Clear-signed documents that belong together. */
interface Snapshot {
  streams: ReadonlyMap<string, SignedStream>;
  /** Signed indexes by the names of their streams. */
  indexes: Map<string, Promise<Document>>;
}

/** The source of the documents, the signer, and hooks. */
export interface SignedDocumentsParts {
  /** The documents that are served as JSON now. */
  streams: () => ReadonlyMap<string, StreamDocument>;
  /** Clear-signs a document, whose memory it takes over. */
  clear: (json: Uint8Array<ArrayBuffer>) => Promise<ClearSigned>;
  /** The time of the last change of an index, as `Documents.indexTime`. */
  indexTime: (form: string, names: readonly string[], content: string) => Promise<Date>;
  /** Called after each round, with the error if the documents could not be signed. */
  onState: (error: unknown) => void;
  /** Called with the products that a signed document does not contain, or not with all aliases. */
  onIncomplete: (stream: string, incomplete: { shortened: string[]; omitted: string[] }) => void;
}

/** The media type of clear-signed text. */
const type = 'text/plain; charset=us-ascii';
/** How long to wait after a failure, and the longest pause between two rounds, in milliseconds. */
const retryAfter = 10_000;
const maxPause = 5000;

/**
 * The clear-signed documents (`*.sjson`). They follow the JSON documents at their own pace, because signing a large one takes
 * longer than rendering it. All change at the same moment, so that the index and the products documents match.
 */
export class SignedDocuments {
  readonly #parts: SignedDocumentsParts;
  #snapshot: Snapshot = { streams: new Map(), indexes: new Map() };
  #isStale = false;
  #signsAnew = false;
  #running: Promise<void> | undefined;
  readonly #stopping = new AbortController();

  constructor(parts: SignedDocumentsParts) {
    this.#parts = parts;
  }

  /** Starts a round, which signs the changed documents. Calls during a round start one more round. */
  follow(): void {
    if (this.#stopping.signal.aborted) return;
    this.#isStale = true;
    this.#running ??= this.#run();
  }

  /** Starts a round that signs all documents, after a change of the key. */
  renew(): void {
    this.#signsAnew = true;
    this.follow();
  }

  /** Resolves when no round is running. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** Starts no more rounds. A running round ends with the thread that signs. */
  stop(): void {
    this.#stopping.abort();
  }

  /** The clear-signed products document of a stream, or undefined. */
  stream(name: string): Document | undefined {
    return this.#snapshot.streams.get(name)?.document;
  }

  /** The clear-signed index of the streams that a client may see. @throws HeadwaterError if signing fails */
  async index(visible: (stream: string) => boolean): Promise<Document> {
    const { streams, indexes } = this.#snapshot;
    const names = [...streams.keys()].filter(visible).sort();
    const key = names.join();
    const known = indexes.get(key);
    if (known !== undefined) return await known;
    const entries = names.map((name) => ({ name, products: streams.get(name)?.products ?? [] }));
    const index = this.#signIndex(entries);
    indexes.set(key, index);
    index.catch(() => {
      setTimeout(() => indexes.delete(key), retryAfter).unref();
    });
    return await index;
  }

  async #signIndex(entries: { name: string; products: readonly string[] }[]): Promise<Document> {
    const render = (updated: Date) => renderIndex(entries, { updated, pathOf: signedStreamPath });
    const names = entries.map(({ name }) => name);
    const updated = await this.#parts.indexTime('index.sjson', names, render(new Date(0)));
    const { segment } = await this.#sign(new TextEncoder().encode(render(updated)));
    return assemble([segment], type);
  }

  async #run(): Promise<void> {
    while (this.#isStale && !this.#stopping.signal.aborted) {
      this.#isStale = false;
      const started = performance.now();
      let pause: number;
      try {
        await this.#round();
        this.#parts.onState(undefined);
        // The pause limits signing to half of a processor, even if the catalog changes all the time.
        pause = Math.min(maxPause, performance.now() - started);
      } catch (error) {
        if (this.#stopping.signal.aborted) break;
        this.#parts.onState(error);
        this.#isStale = true;
        pause = retryAfter;
      }
      if (this.#isStale) await this.#pause(pause);
    }
    this.#running = undefined;
  }

  async #round(): Promise<void> {
    const signsAnew = this.#signsAnew;
    this.#signsAnew = false;
    try {
      const old = signsAnew ? undefined : this.#snapshot.streams;
      const streams = new Map<string, SignedStream>();
      let isChanged = signsAnew;
      for (const [name, source] of this.#parts.streams()) {
        const known = old?.get(name);
        if (known?.source === source) {
          streams.set(name, known);
          continue;
        }
        isChanged = true;
        streams.set(name, await this.#signStream(name, source));
      }
      if (isChanged) this.#snapshot = { streams, indexes: new Map() };
    } catch (error) {
      this.#signsAnew ||= signsAnew;
      throw error;
    }
  }

  async #signStream(name: string, source: StreamDocument): Promise<SignedStream> {
    const { segment, shortened, omitted } = await this.#sign(bytesOf(source.document));
    if (shortened.length + omitted.length > 0) this.#parts.onIncomplete(name, { shortened, omitted });
    const left = new Set(omitted);
    return {
      source,
      document: assemble([segment], type),
      products: source.products.filter((product) => !left.has(product)),
    };
  }

  async #sign(json: Uint8Array<ArrayBuffer>): Promise<ClearSigned> {
    return await this.#parts.clear(json);
  }

  async #pause(milliseconds: number): Promise<void> {
    const { signal } = this.#stopping;
    await sleep(milliseconds, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
