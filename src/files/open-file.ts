import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { HeadwaterError } from '../errors.ts';
import { chunkLifetime } from './chunk-pool.ts';
import { fileError } from './file-error.ts';

/** How many bytes are read at once: large enough that the reads cost little beside hashing (measured). */
const chunkSize = 1024 * 1024;

/** How many buffers take turns. A short read must not shorten a chunk's life below `chunkLifetime`. */
const bufferCount = (2 * chunkLifetime) / chunkSize;

/** A local file, open for one reading from its beginning. */
export interface OpenFile {
  /** Bytes, when it was opened. */
  size: number;
  /**
   * Its bytes. A chunk is overwritten when `chunkLifetime` more bytes have been read. Closes the file at the end, or
   * when the reader leaves.
   */
  bytes: AsyncIterable<Uint8Array>;
}

/**
 * Opens a regular file for reading.
 * @throws HeadwaterError `not-found` or `invalid`, naming the path
 */
export async function openFile(path: string): Promise<OpenFile> {
  let handle: FileHandle;
  try {
    // Without O_NONBLOCK, opening a named pipe would wait for ever.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw fileError(error, { path, doing: 'read', isInput: true });
  }
  const stat = await handle.stat();
  if (!stat.isFile()) {
    await handle.close();
    throw new HeadwaterError('invalid', `${path}: is not a regular file`);
  }
  return { size: stat.size, bytes: read(handle, stat.size, path) };
}

async function* read(handle: FileHandle, size: number, path: string): AsyncGenerator<Uint8Array> {
  try {
    const buffers: Buffer[] = [];
    for (let offset = 0, turn = 0; offset < size; turn = (turn + 1) % bufferCount) {
      const buffer = buffers[turn] ?? Buffer.allocUnsafeSlow(Math.min(chunkSize, size));
      buffers[turn] = buffer;
      const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, size - offset), offset);
      if (bytesRead === 0) throw new HeadwaterError('invalid', `${path}: became shorter while it was read`);
      offset += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** Bytes of a regular file. @throws HeadwaterError `not-found` or `invalid`, naming the path */
export async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    throw fileError(error, { path, doing: 'read', isInput: true });
  }
}
