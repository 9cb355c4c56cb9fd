import { type FileHandle, open } from 'node:fs/promises';
import { fileError } from '../../files/file-error.ts';
import { completeSquashfs, type ReadRange } from '../../image/squashfs/squashfs-look.ts';
import type { ExaminedFile } from '../intake/intake-types.ts';

/**
 * The content of a file whose bytes can all be read: parts of a squashfs can be examined only then.
 * @throws HeadwaterError `invalid`
 */
export async function complete(examined: ExaminedFile, read: ReadRange): Promise<ExaminedFile> {
  const { content } = examined;
  if (content.kind !== 'squashfs' || content.look === undefined) return examined;
  return { ...examined, content: await completeSquashfs(content.look, read) };
}

/** As {@link complete}, with the bytes of a local file. */
export async function completeFromFile(examined: ExaminedFile, path: string): Promise<ExaminedFile> {
  let handle: FileHandle | undefined;
  const read = async (start: number, length: number) => {
    try {
      handle ??= await open(path);
      // The tables of a squashfs must not decide how much memory is used.
      const buffer = Buffer.alloc(Math.max(0, Math.min(length, examined.size - start)));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, start);
      return buffer.subarray(0, bytesRead);
    } catch (error) {
      throw fileError(error, { path, doing: 'read' });
    }
  };
  try {
    return await complete(examined, read);
  } finally {
    await handle?.close();
  }
}
