import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { BlobStore } from '../../blobs/blob-store.ts';
import { ContentCheck } from '../../bundle/content-check.ts';
import { fileError } from '../../files/file-error.ts';
import { processName } from '../../files/process-name.ts';
import type { Digest } from '../../model/digest.ts';
import type { CheckBlobs } from './site-publish.ts';

/**
 * Has new blobs examined by the program of a definition. It reads a copy of each blob: it cannot change what is stored, and
 * works with every store.
 * @param command the program and its arguments, in which `{file}` is the path of the file
 */
export function checkBlobs(
  command: readonly string[],
  { store, dataDir }: { store: BlobStore; dataDir: string },
): CheckBlobs {
  const places = availableParallelism();
  const check = new ContentCheck(command, { places });
  // Copies that a killed process left there are removed like unfinished writes.
  const directory = resolve(dataDir, 'staging');
  return async (blobs, { signal }) => {
    const refused = new Map<string, string>();
    const left = blobs.values();
    const work = async () => {
      for (const { digest } of left) {
        signal.throwIfAborted();
        const verdict = await withCopy(store, digest, directory, async (file) => await check.check(file));
        if (!verdict.isGood) refused.set(digest, [verdict.end, verdict.output.trim()].join(': '));
      }
    };
    // One after another in each place, so that there are no more copies than places.
    await Promise.all(Array.from({ length: places }, work));
    return refused;
  };
}

async function withCopy<Result>(
  store: BlobStore,
  digest: Digest,
  directory: string,
  work: (file: string) => Promise<Result>,
): Promise<Result> {
  const file = join(directory, await processName());
  try {
    await mkdir(directory, { recursive: true });
    await pipeline(await store.read(digest), createWriteStream(file, { mode: 0o600 })).catch(
      (error: unknown) => {
        throw fileError(error, { path: file, doing: 'write' });
      },
    );
    return await work(file);
  } finally {
    await rm(file, { force: true });
  }
}
