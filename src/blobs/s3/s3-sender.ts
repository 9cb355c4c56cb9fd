import type { Semaphore } from '../../async/semaphore.ts';
import { PartBuffer } from './part-buffer.ts';
import type { S3Part, S3Uploads } from './s3-uploads.ts';

/** S3's limit on the parts of an upload. */
const maxParts = 10_000;
const mebibyte = 1024 * 1024;
/** S3's limit: bytes of a part. */
const maxPartSize = 5 * 1024 * mebibyte;

/** The result of reading a source: few bytes, still in memory, or many, sent in parts and awaiting completion. */
export type Sent =
  | { kind: 'whole'; size: number; bytes: Buffer; sha256: string }
  | { kind: 'parts'; size: number; key: string; upload: string; parts: S3Part[] };

/**
 * Bytes of the part numbered `part` (from 1): the size that was asked for, or more where an upload would need more
 * parts than there may be. When it is not known how many bytes will come, parts beyond the 4000th double in size
 * every 500 parts, which is enough for the largest object there can be.
 */
export function sizeOfPart(part: number, partSize: number, size: number | undefined): number {
  if (size !== undefined) return Math.max(partSize, Math.ceil(size / maxParts / mebibyte) * mebibyte);
  const doublings = Math.max(0, Math.ceil((part - 4000) / 500));
  return Math.min(partSize * 2 ** doublings, maxPartSize);
}

/** Sends one source to the service: in memory while it is small, in parts that overtake each other when it is not. */
export class S3Sender {
  readonly #uploads: S3Uploads;
  readonly #parallel: Semaphore;
  readonly #partSize: number;
  readonly #size: number | undefined;
  readonly #idle: PartBuffer[] = [];
  readonly #running = new Set<Promise<void>>();
  readonly #parts: S3Part[] = [];
  #count = 0;
  #sent = 0;
  #failure: { error: unknown } | undefined;

  /**
   * @param parallel limits the parts of all senders that are sent at the same time
   * @param options.size bytes that will come, when known
   */
  constructor(
    uploads: S3Uploads,
    parallel: Semaphore,
    options: { partSize: number; size: number | undefined },
  ) {
    this.#uploads = uploads;
    this.#parallel = parallel;
    this.#partSize = options.partSize;
    this.#size = options.size;
  }

  /**
   * Reads all bytes of the source.
   * @param name gives the key for an upload in parts; not called for few bytes
   * @throws what the source throws, and HeadwaterErrors of the service; nothing stays then
   */
  async send(source: AsyncIterable<Uint8Array>, name: () => Promise<string>): Promise<Sent> {
    let buffer = this.#buffer();
    let target: { key: string; upload: string } | undefined;
    try {
      for await (const chunk of source) {
        // A part is sent when bytes come that it has no room for: a source that just fills one is no upload in parts.
        for (let rest = chunk; rest.length > 0; rest = buffer.add(rest)) {
          if (!buffer.isFull) continue;
          target ??= await this.#start(await name());
          await this.#dispatch(target, buffer);
          buffer = this.#buffer();
        }
      }
      if (target === undefined) {
        const { bytes, sha256 } = buffer.take();
        return { kind: 'whole', size: bytes.length, bytes, sha256 };
      }
      await this.#dispatch(target, buffer);
      await Promise.all(this.#running);
      this.#throwFailure();
      const parts = this.#parts.sort((one, other) => one.part - other.part);
      return { kind: 'parts', size: this.#sent, parts, ...target };
    } catch (error) {
      // A part that arrives after the upload was dropped would stay for ever.
      await Promise.all(this.#running);
      if (target !== undefined) await this.#uploads.abort(target.key, target.upload).catch(() => undefined);
      throw error;
    }
  }

  async #start(key: string): Promise<{ key: string; upload: string }> {
    return { key, upload: await this.#uploads.start(key) };
  }

  /** Starts to send a part, as soon as a slot is free. */
  async #dispatch(target: { key: string; upload: string }, buffer: PartBuffer): Promise<void> {
    const release = await this.#parallel.acquire();
    if (this.#failure !== undefined) release();
    this.#throwFailure();
    const { bytes, sha256 } = buffer.take();
    const part = ++this.#count;
    this.#sent += bytes.length;
    const sending = this.#uploads
      .putPart(target.key, target.upload, part, bytes, sha256)
      .then(
        (confirmed) => void this.#parts.push(confirmed),
        (error: unknown) => {
          this.#failure ??= { error };
        },
      )
      .finally(() => {
        this.#idle.push(buffer);
        this.#running.delete(sending);
        release();
      });
    this.#running.add(sending);
  }

  #buffer(): PartBuffer {
    const size = sizeOfPart(this.#count + 1, this.#partSize, this.#size);
    const known = this.#idle.pop();
    if (known?.capacity === size) return known;
    return new PartBuffer(Math.min(size, Math.max(this.#size ?? size, 1)));
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
