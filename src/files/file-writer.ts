import type { FileHandle } from 'node:fs/promises';
import { fileError } from './file-error.ts';

/** Bytes gathered for one write. What waits longer in memory is taken for long-lived, and costs full garbage collections. */
const writeSize = 512 * 1024;
/**
 * Bytes after which the disk is made to start on them, beside the writing: the sync at the end then has little
 * left to do. 32 to 128 MiB measured alike, and a fifth faster than one sync at the end.
 */
const syncSize = 32 * 1024 * 1024;
/** How long gathered bytes wait for more when they are to be in the file soon, in milliseconds. */
const gatherDelay = 20;

/**
 * Writes the bytes of a file one after the other, in pieces that cost little. One write is under way while the next
 * bytes are gathered: a chunk must not be changed before {@link chunkLifetime} more bytes have come.
 */
export class FileWriter {
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #soon: boolean;
  readonly #onWritten: ((bytes: number) => void) | undefined;
  #size: number;
  #gathered: Uint8Array[] = [];
  #gatheredSize = 0;
  #unsynced = 0;
  #writing: Promise<void> = Promise.resolve();
  #syncing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failure: { error: unknown } | undefined;

  /**
   * @param handle of the file, closed by its owner after {@link settle}
   * @param options.position from which byte to write
   * @param options.soon write what came soon, also when no more comes
   * @param options.onWritten called with how many more bytes can be read from the file
   */
  constructor(
    handle: FileHandle,
    path: string,
    options: { position?: number; soon?: boolean; onWritten?: (bytes: number) => void } = {},
  ) {
    this.#handle = handle;
    this.#path = path;
    this.#size = options.position ?? 0;
    this.#soon = options.soon ?? false;
    this.#onWritten = options.onWritten;
  }

  /** Bytes of the file, with those handed over. */
  get size(): number {
    return this.#size;
  }

  /** Takes a chunk; resolves when there is room for the next. @throws HeadwaterError what the disk failed with */
  async write(chunk: Uint8Array): Promise<void> {
    this.#size += chunk.length;
    this.#gathered.push(chunk);
    this.#gatheredSize += chunk.length;
    if (this.#gatheredSize >= writeSize) await this.#flush();
    else if (this.#soon) this.#timer ??= setTimeout(() => void this.#flushLate(), gatherDelay);
  }

  /** Writes what is left. @throws HeadwaterError what the disk failed with */
  async end(): Promise<void> {
    await this.#flush();
    await this.#writing;
    await this.#syncing;
    this.#throwFailure();
  }

  /** Resolves when nothing is being written any more, well or not. */
  async settle(): Promise<void> {
    clearTimeout(this.#timer);
    await Promise.allSettled([this.#writing, this.#syncing]);
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // Another caller that waited for the same write may have begun the next one.
    for (let before: unknown; before !== this.#writing; ) {
      before = this.#writing;
      await this.#writing;
    }
    this.#throwFailure();
    const chunks = this.#gathered;
    const position = this.#size - this.#gatheredSize;
    this.#gathered = [];
    this.#gatheredSize = 0;
    if (chunks.length === 0) return;
    this.#writing = this.#writeAll(chunks, position).catch((error: unknown) => {
      this.#failure ??= { error };
    });
  }

  /** Flushes without a caller that waits: a failure is reported by the next write. */
  async #flushLate(): Promise<void> {
    await this.#flush().catch((error: unknown) => {
      this.#failure ??= { error };
    });
  }

  async #writeAll(chunks: Uint8Array[], position: number): Promise<void> {
    let left = chunks.filter((chunk) => chunk.length > 0);
    let offset = position;
    while (left.length > 0) {
      const { bytesWritten } = await this.#handle.writev(left, offset);
      offset += bytesWritten;
      left = without(left, bytesWritten);
    }
    this.#onWritten?.(offset - position);
    this.#unsynced += offset - position;
    if (this.#unsynced < syncSize || this.#syncing !== undefined) return;
    this.#unsynced = 0;
    this.#syncing = this.#handle
      .datasync()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#syncing = undefined;
      });
  }

  #throwFailure(): void {
    if (this.#failure !== undefined)
      throw fileError(this.#failure.error, { path: this.#path, doing: 'write' });
  }
}

/** The chunks without their first `count` bytes: a write may take less than it was given. */
function without(chunks: Uint8Array[], count: number): Uint8Array[] {
  let skip = count;
  const left: Uint8Array[] = [];
  for (const chunk of chunks) {
    if (skip < chunk.length) left.push(skip > 0 ? chunk.subarray(skip) : chunk);
    skip = Math.max(0, skip - chunk.length);
  }
  return left;
}
