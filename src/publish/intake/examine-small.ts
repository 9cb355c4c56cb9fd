import { createHash, hash } from 'node:crypto';
import type { Findings } from './examination.ts';

/** A small file in memory. */
export interface FileToExamine {
  bytes: Uint8Array;
  /** The bytes of the metadata item that belongs to this root, for the fingerprint. */
  after?: Uint8Array;
  /** A path where to make a file of the bytes, once they are known to be an image file. */
  into?: string;
}

async function examineSmallFile(
  { bytes, after }: Pick<FileToExamine, 'bytes' | 'after'>,
  onProgress: () => void,
): Promise<Findings> {
  // Loaded on demand: a process that publishes nothing does not need the inspectors.
  const { inspectWhole } = await import('../../image/inspect.ts');
  return {
    content: await inspectWhole(bytes, onProgress),
    digest: hash('sha256', bytes),
    ...(after === undefined
      ? {}
      : { fingerprint: createHash('sha256').update(after).update(bytes).digest('hex') }),
  };
}

/**
 * Examines a small file, and writes it where it is to be.
 * @param options.write makes a file
 * @param options.onProgress called repeatedly as the work proceeds
 * @throws HeadwaterError `invalid` when it is no image file; what `write` throws
 */
export async function takeSmallFile(
  file: FileToExamine,
  options: { write: (path: string, bytes: Uint8Array) => void; onProgress: () => void },
): Promise<Findings> {
  const found = await examineSmallFile(file, options.onProgress);
  if (file.into !== undefined) options.write(file.into, file.bytes);
  return found;
}
