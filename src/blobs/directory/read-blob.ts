import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { codeOf, HeadwaterError } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { FileRange } from '../../files/file-range.ts';
import { deniedPath } from '../../files/file-system.ts';
import type { Digest } from '../../model/digest.ts';
import type { ByteRange } from '../blob-store.ts';
import { assertSize } from '../damaged-blob.ts';
import type { MountCheck } from './mount-check.ts';

/**
 * The bytes of a blob in a directory store, whole or a range of it.
 * @throws HeadwaterError `not-found`; `invalid` for a range beyond the blob; DamagedBlobError for one of another size
 */
export async function readBlob(
  mount: MountCheck,
  { digest, path }: { digest: Digest; path: string },
  range?: ByteRange,
): Promise<Readable> {
  const handle = await openFile(path);
  if (handle === undefined) {
    await mount.check();
    throw new HeadwaterError('not-found', `blob sha256:${digest} is not in the store`);
  }
  try {
    const { size } = await handle.stat();
    assertSize(digest, size, range?.of);
    const start = range?.start ?? 0;
    const stop = Math.min(size, (range?.end ?? size) + 1);
    if (range !== undefined && start >= stop) {
      throw new HeadwaterError('invalid', `blob sha256:${digest} has ${size} bytes: none from ${start}`);
    }
    if (start < stop) return new FileRange(handle, path, { start, stop });
    await handle.close();
    return Readable.from([], { objectMode: false });
  } catch (error) {
    await handle.close();
    throw fileError(error, { path, doing: 'read' });
  }
}

async function openFile(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw fileError(error, { path: await deniedPath(path, error), doing: 'read' });
  }
}
