import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { removeFile } from './disk.ts';
import { diskError } from './disk-error.ts';
import { stagedName } from './staged-name.ts';

/** Bytes gathered for one write. */
const writeSize = 1024 * 1024;
/**
 * Bytes after which the disk is made to start on them, beside the writing: the sync at the end then has little
 * left to do. 32 to 128 MiB measured alike, and a fifth faster than one sync at the end.
 */
const syncSize = 32 * 1024 * 1024;

/**
 * A file that is being written where nobody looks, to be moved to its place when it is whole. One write is under
 * way while the next bytes are gathered.
 */
export class StagedFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #size = 0;
  #gathered: Uint8Array[] = [];
  #gatheredSize = 0;
  #unsynced = 0;
  #writing: Promise<void> = Promise.resolve();
  #syncing: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;
  #finishing: Promise<void> | undefined;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  static async create(directory: string): Promise<StagedFile> {
    const path = join(directory, await stagedName());
    try {
      return new StagedFile(
        path,
        await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL),
      );
    } catch (error) {
      throw diskError(error, path, 'created');
    }
  }

  /** Bytes handed over so far. */
  get size(): number {
    return this.#size;
  }

  /** Takes a chunk; resolves when there is room for the next. @throws HeadwaterError what the disk failed with */
  async write(chunk: Uint8Array): Promise<void> {
    this.#size += chunk.length;
    this.#gathered.push(chunk);
    this.#gatheredSize += chunk.length;
    if (this.#gatheredSize >= writeSize) await this.#flush();
  }

  /** Writes what is left and waits until the disk has every byte. @throws HeadwaterError what the disk failed with */
  finish(): Promise<void> {
    this.#finishing ??= this.#finish();
    return this.#finishing;
  }

  /** Gives the file up, at any time; without effect once it has been renamed. */
  async discard(): Promise<void> {
    await Promise.allSettled([this.#writing, this.#syncing, this.#finishing]);
    // Closing fails with what a write failed with before; the file goes in any case.
    await this.#handle.close().catch(() => undefined);
    await removeFile(this.path);
  }

  async #finish(): Promise<void> {
    await this.#flush();
    await this.#writing;
    await this.#syncing;
    this.#throwFailure();
    try {
      await this.#handle.sync();
      await this.#handle.close();
    } catch (error) {
      throw diskError(error, this.path, 'written');
    }
  }

  async #flush(): Promise<void> {
    await this.#writing;
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

  async #writeAll(chunks: Uint8Array[], position: number): Promise<void> {
    let left = chunks.filter((chunk) => chunk.length > 0);
    let offset = position;
    while (left.length > 0) {
      const { bytesWritten } = await this.#handle.writev(left, offset);
      offset += bytesWritten;
      left = without(left, bytesWritten);
    }
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
    if (this.#failure !== undefined) throw diskError(this.#failure.error, this.path, 'written');
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
