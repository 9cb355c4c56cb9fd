import { createHash, type Hash } from 'node:crypto';
import type { Content } from '../../image/content.ts';
import type { Inspector } from '../../image/inspect.ts';
import { defined } from '../../model/defined.ts';
import { TeeFile, type WriteDown } from './tee-file.ts';
import type { ThreadSigns } from './thread-signs.ts';

/** What to compute from bytes as they pass. */
export interface ExaminationRequest {
  /** Their own SHA-256 and their content. */
  identify: boolean;
  /** sha256(these bytes, then the ones that pass): the fingerprint of an image whose metadata these are. */
  after?: Uint8Array;
  /** false: without the digest of the unpacked archive of a gzip root. */
  unpackedDigest?: boolean;
  /** Write them to a file; only in a thread. */
  into?: WriteDown;
}

/** The results: the requested fields. */
export interface Findings {
  digest?: string;
  content?: Content;
  fingerprint?: string;
}

/**
 * Hashes bytes and looks inside them as they pass. It keeps no reference to a chunk once `update` has resolved. Runs in
 * worker threads only: unpacking takes long, and a hostile file may take for ever.
 */
export class Examination {
  readonly #digest: Hash | undefined;
  readonly #fingerprint: Hash | undefined;
  readonly #inspector: Inspector | undefined;
  readonly #file: TeeFile | undefined;
  readonly #signs: ThreadSigns;

  private constructor(request: ExaminationRequest, signs: ThreadSigns, inspector?: Inspector) {
    this.#signs = signs;
    if (request.identify) this.#digest = createHash('sha256');
    if (request.after !== undefined) this.#fingerprint = createHash('sha256').update(request.after);
    if (request.into !== undefined) this.#file = new TeeFile(request.into);
    this.#inspector = inspector;
  }

  /** @param signs where it reports its progress */
  static async start(request: ExaminationRequest, signs: ThreadSigns): Promise<Examination> {
    if (!request.identify) return new Examination(request, signs);
    // A thread that only hashes has no use for everything that can look inside files.
    const { createInspector } = await import('../../image/inspect.ts');
    return new Examination(
      request,
      signs,
      createInspector(() => signs.moveOn(), defined({ unpackedDigest: request.unpackedDigest })),
    );
  }

  /** @throws HeadwaterError `invalid` as soon as the bytes cannot be an image file; what the disk failed with */
  async update(chunk: Uint8Array): Promise<void> {
    this.#digest?.update(chunk);
    this.#fingerprint?.update(chunk);
    if (this.#file !== undefined) {
      const file = this.#file;
      this.#signs.onDisk(() => file.write(chunk));
    }
    this.#signs.moveOn();
    await this.#inspector?.write(chunk);
  }

  /** @throws HeadwaterError `invalid` when the bytes are not a complete image file */
  async end(): Promise<Findings> {
    const content = await this.#inspector?.end();
    this.#file?.close();
    return {
      ...(this.#digest === undefined ? {} : { digest: this.#digest.digest('hex') }),
      ...defined({ content }),
      ...(this.#fingerprint === undefined ? {} : { fingerprint: this.#fingerprint.digest('hex') }),
    };
  }

  abort(): void {
    this.#inspector?.abort();
    this.#file?.close();
  }
}
