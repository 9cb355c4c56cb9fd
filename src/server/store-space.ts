import { statfs } from 'node:fs/promises';
import type { Config } from '../config/schema.ts';
import { fileError } from '../files/file-error.ts';

/**
 * The bytes that the blob store can still take.
 * @returns undefined for a bucket, which does not tell
 */
export async function storeSpace({ storage, dataDir }: Config): Promise<number | undefined> {
  if (storage.type !== 'directory') return undefined;
  try {
    const { bavail, bsize } = await statfs(dataDir);
    return bavail * bsize;
  } catch (error) {
    throw fileError(error, { path: dataDir, doing: 'read' });
  }
}
