import { type FileHandle, open, stat } from 'node:fs/promises';
import { codeOf } from '../errors.ts';
import { fileError } from './file-error.ts';
import { FileWriter } from './file-writer.ts';

/**
 * A file in which bytes that arrive are written down, so that what came before a connection or a process ended need
 * not come again.
 */
export class Spool {
  readonly #handle: FileHandle;
  readonly #writer: FileWriter;

  private constructor(handle: FileHandle, writer: FileWriter) {
    this.#handle = handle;
    this.#writer = writer;
  }

  /**
   * @param offset bytes that it has, after which it goes on; 0 makes it anew
   * @param options.onWritten told how many more bytes can be read from the file
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

  /** Writes what is left. To be called in any case. @throws HeadwaterError what the disk failed with */
  async close(): Promise<void> {
    try {
      await this.#writer.end();
    } finally {
      await this.#writer.settle();
      await this.#handle.close();
    }
  }
}

/** Bytes of what arrived before; none when it is more than there can be. */
export async function spooled(path: string, most = Number.POSITIVE_INFINITY): Promise<number> {
  try {
    const { size } = await stat(path);
    return size <= most ? size : 0;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 0;
    throw error;
  }
}
