import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../../files/file-error.ts';
import { removeFile } from '../../files/file-system.ts';
import { FileWriter } from '../../files/file-writer.ts';
import { processName } from '../../files/process-name.ts';

/** The most bytes of a file that waits for others, to be made durable together with them. */
const maxGroupedSize = 1024 * 1024;

/** A file that is written to the staging directory and moved to its place when it is complete. */
export class StagedFile {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #writer: FileWriter;
  #finishing: Promise<void> | undefined;
  #moved = false;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
    this.#writer = new FileWriter(handle, path);
  }

  static async create(directory: string): Promise<StagedFile> {
    const path = join(directory, await processName());
    try {
      return new StagedFile(
        path,
        await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600),
      );
    } catch (error) {
      throw fileError(error, { path, doing: 'create' });
    }
  }

  /** Bytes handed over so far. */
  get size(): number {
    return this.#writer.size;
  }

  /** Writes a chunk; resolves when there is room for the next. @throws HeadwaterError the error of the disk */
  async write(chunk: Uint8Array): Promise<void> {
    await this.#writer.write(chunk);
  }

  /**
   * Writes what is left.
   * @param durable waits until the disk has every byte of it
   * @throws HeadwaterError what the disk failed with
   */
  finish(durable: (path: string) => Promise<void>): Promise<void> {
    this.#finishing ??= this.#finish(durable);
    return this.#finishing;
  }

  /** Records that the file was moved: `discard` has no effect any more. */
  moved(): void {
    this.#moved = true;
  }

  /** Removes the file, at any time; no effect after it was moved. */
  async discard(): Promise<void> {
    if (this.#moved) return;
    await Promise.allSettled([this.#writer.settle(), this.#finishing]);
    // Closing fails with the error of an earlier write; the file is removed in any case.
    await this.#handle.close().catch(() => undefined);
    await removeFile(this.path);
  }

  async #finish(durable: (path: string) => Promise<void>): Promise<void> {
    await this.#writer.end();
    try {
      if (this.size <= maxGroupedSize) await durable(this.path);
      else await this.#handle.sync();
      await this.#handle.close();
    } catch (error) {
      throw fileError(error, { path: this.path, doing: 'write' });
    }
  }
}
