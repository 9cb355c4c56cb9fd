import { type FileHandle, open, stat } from 'node:fs/promises';
import { codeOf } from '../errors.ts';
import { fileError } from './file-error.ts';
import { FileWriter } from './file-writer.ts';

/**
 * A file to which bytes are written as they arrive, so that a transfer can resume after its connection or process ended.
 */
export class Spool {
  readonly #handle: FileHandle;
  readonly #writer: FileWriter;

  private constructor(handle: FileHandle, writer: FileWriter) {
    this.#handle = handle;
    this.#writer = writer;
  }

  /**
   * @param offset how many bytes the file has, after which the next are written; 0 replaces the file
   * @param options.onWritten called with how many more bytes can be read from the file
   * @throws HeadwaterError what the disk failed with
   */
  static async open(
    path: string,
    offset: number,
    options: { onWritten?: (bytes: number) => void } = {},
  ): Promise<Spool> {
    const handle = await open(path, offset === 0 ? 'w' : 'r+', 0o600).catch((error: unknown) => {
      throw fileError(error, { path, doing: 'write' });
    });
    return new Spool(handle, new FileWriter(handle, path, { ...options, position: offset, soon: true }));
  }

  /** Takes a chunk; resolves when there is room for the next. @throws HeadwaterError what the disk failed with */
  async write(chunk: Uint8Array): Promise<void> {
    await this.#writer.write(chunk);
  }

  /** Writes the remaining bytes. Call it in any case. @throws HeadwaterError what the disk failed with */
  async close(): Promise<void> {
    try {
      await this.#writer.end();
    } finally {
      await this.#writer.settle();
      await this.#handle.close();
    }
  }
}

/** How many bytes arrived before; 0 when there are more than `maxSize`. */
export async function spooled(path: string, maxSize = Number.POSITIVE_INFINITY): Promise<number> {
  try {
    const { size } = await stat(path);
    return size <= maxSize ? size : 0;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 0;
    throw error;
  }
}
