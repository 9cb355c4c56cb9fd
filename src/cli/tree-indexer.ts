import { type ErrorKind, HeadwaterError } from '../errors.ts';
import { defined } from '../model/defined.ts';
import { type ProductKey, productName } from '../model/names.ts';
import type { PublishRequest } from '../publish/request.ts';
import { findVersions } from '../publish/tree/tree.ts';
import type { FoundRequest } from '../publish/tree/tree-versions.ts';
import type { TreeFailure } from '../publish/tree/tree-walk.ts';
import { watchTree } from '../publish/tree/watch.ts';
import type { Backend } from './backend/backend.ts';
import { interruption, throwIfInterrupted } from './interruption.ts';
import type { Output } from './view/output.ts';
import { ProgressBar } from './view/progress-bar.ts';

export interface IndexOptions {
  stream?: string;
  createStream?: boolean;
  copy?: boolean;
  json: boolean;
  output: Output;
}

/** Errors that would also fail the remaining versions. */
const fatalKinds: ReadonlySet<ErrorKind> = new Set([
  'usage',
  'unavailable',
  'no-space',
  'unauthorized',
  'forbidden',
  'aborted',
]);

/** Publishes the versions of a tree, and reports the outcome of each. */
export class TreeIndexer {
  readonly #backend: Backend;
  readonly #options: IndexOptions;
  /** The product of the last look-up, with the serials of its versions: a tree is read product by product. */
  #last: { product: string; serials: Set<string> } | undefined;
  readonly #count = { created: 0, unchanged: 0, known: 0, failed: 0 };

  constructor(backend: Backend, options: IndexOptions) {
    this.#backend = backend;
    this.#options = options;
  }

  /**
   * Publishes the versions in the tree.
   * @throws HeadwaterError `invalid` at the end if there are no versions or some failed; fatal errors at once
   */
  async index(directory: string): Promise<void> {
    for await (const version of findVersions(directory, {
      known: (...version) => this.#isKnown(...version),
    })) {
      throwIfInterrupted();
      if ('error' in version) this.#fail(version);
      else await this.#publishOrReport(version);
    }
    const { created, unchanged, known, failed } = this.#count;
    const before = unchanged + known;
    if (created + before + failed === 0) {
      throw new HeadwaterError(
        'invalid',
        `no versions found under ${directory}: expected …/<os>/<release>/<architecture>/<variant>/<serial>/ with the files of each version, or a tree of incus-simplestreams`,
      );
    }
    if (!this.#options.json) {
      this.#options.output.note(`${created} published, ${before} already present, ${failed} failed`);
    }
    if (failed > 0) {
      throw new HeadwaterError(
        'invalid',
        `${directory}: ${failed} of ${created + before + failed} versions failed`,
      );
    }
  }

  /** Publishes the versions in the tree and new ones, until the signal is aborted. */
  async watch(directory: string, signal: AbortSignal): Promise<void> {
    await watchTree(directory, {
      signal,
      known: (...version) => this.#isKnown(...version),
      onVersion: async (version) => {
        try {
          await this.#publish(version);
        } catch (error) {
          if (!interruption.aborted) throw error;
        }
      },
      onError: (failure) => this.#fail(failure),
    });
  }

  async #publishOrReport(version: FoundRequest): Promise<void> {
    try {
      await this.#publish(version);
    } catch (error) {
      if (!(error instanceof HeadwaterError) || fatalKinds.has(error.kind)) throw error;
      this.#fail({ path: version.path, error });
    }
  }

  async #publish({ path, request, warnings }: FoundRequest): Promise<void> {
    const { output, json } = this.#options;
    for (const warning of warnings) output.warning(`${path}: ${warning}`);
    const bar = new ProgressBar();
    const published = await this.#backend
      .publish(this.#adjust(request), bar.report)
      .finally(() => bar.close());
    this.#count[published.outcome] += 1;
    if (this.#last?.product === published.product) this.#last.serials.add(published.serial);
    for (const warning of published.warnings) output.warning(`${path}: ${warning}`);
    if (json) output.json(published, 'line');
    else output.line(`${published.product}@${published.serial} published`);
  }

  #adjust(request: PublishRequest): PublishRequest {
    const { stream, createStream, copy } = this.#options;
    const files = request.files.map((file) =>
      copy === true && file.from === 'disk' ? { ...file, inPlace: false } : file,
    );
    return {
      ...request,
      files,
      ...defined({ stream, createStream }),
    };
  }

  async #isKnown(key: ProductKey, serial: string): Promise<boolean> {
    const product = productName(key);
    if (this.#last?.product !== product) {
      const { stream } = this.#options;
      // Without a stream the files themselves may name one.
      const products = (await this.#backend.productsNamed(product)).filter(
        (each) => stream === undefined || each.stream === stream,
      );
      const versions = products.flatMap((each) => each.versions);
      this.#last = { product, serials: new Set(versions.map((version) => version.serial)) };
    }
    const known = this.#last.serials.has(serial);
    if (known) this.#count.known += 1;
    return known;
  }

  #fail({ path, error }: TreeFailure): void {
    this.#count.failed += 1;
    const message = error.message.includes(path) ? error.message : `${path}: ${error.message}`;
    this.#options.output.warning(message);
  }
}
