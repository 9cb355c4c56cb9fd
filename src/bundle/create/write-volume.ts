import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileError } from '../../files/file-error.ts';
import { removeFile, syncDirectory } from '../../files/file-system.ts';
import type { HashThread } from '../hashing/hash-thread.ts';

/**
 * Writes a volume, which has its final name only when all of it is on the disk.
 * @param thread hashes it meanwhile
 * @param onBytes told how many more bytes were written
 * @returns its SHA-256, in hexadecimal
 * @throws HeadwaterError `no-space` when the medium is full; what the source throws. Nothing is left in both cases
 */
export async function writeVolume(
  path: string,
  source: AsyncIterable<Uint8Array>,
  thread: HashThread,
  onBytes: (count: number) => void = () => undefined,
): Promise<string> {
  const partial = `${path}.partial`;
  try {
    const handle = await open(partial, 'w', 0o644);
    try {
      for await (const block of thread.pass(source)) {
        await writeAll(handle, block);
        onBytes(block.length);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await removeFile(partial);
    throw fileError(error, { path, doing: 'write', isInput: true });
  }
  return await thread.digest();
}

async function writeAll(handle: FileHandle, block: Uint8Array): Promise<void> {
  for (let at = 0; at < block.length; ) {
    const { bytesWritten } = await handle.write(block, at, block.length - at);
    at += bytesWritten;
  }
}
