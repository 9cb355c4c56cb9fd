import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { codeOf, HeadwaterError } from '../errors.ts';
import { fileError } from './file-error.ts';

const mebibyte = 1024 * 1024;

/**
 * The text of a small file that describes images: checksums, a build definition, a document.
 * @param path where it is, which is also what messages call it
 * @param limit the most bytes it may have; it is held in memory whole
 * @throws HeadwaterError `not-found`; `invalid` when it is larger, no regular file, or not UTF-8
 */
export async function readSmallFile(path: string, limit = mebibyte): Promise<string> {
  const file = await openRegular(path);
  try {
    const { size } = await file.stat();
    if (size > limit) {
      throw new HeadwaterError('invalid', `${path}: ${size} bytes, at most ${limit} are read`);
    }
    // Read by size, not to the end: a file that grows meanwhile must not outgrow the limit.
    const bytes = Buffer.alloc(size);
    let filled = 0;
    while (filled < size) {
      const { bytesRead } = await file.read(bytes, filled, size - filled, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, filled));
  } catch (error) {
    if (codeOf(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA') {
      throw new HeadwaterError('invalid', `${path}: not UTF-8 text`, { cause: error });
    }
    throw fileError(error, { path, doing: 'read', isInput: true });
  } finally {
    await file.close();
  }
}

async function openRegular(path: string): Promise<FileHandle> {
  let file: FileHandle;
  try {
    // Without O_NONBLOCK, opening a named pipe waits for a writer.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw fileError(error, { path, doing: 'read', isInput: true });
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new HeadwaterError('invalid', `${path}: not a regular file`);
}
