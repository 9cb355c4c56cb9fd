import { fstat, fsync, write } from 'node:fs';
import { promisify } from 'node:util';
import { codeOf, HeadwaterError } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';

const descriptor = 1;

/** A long binary result on standard output. */
export interface BinaryOutput {
  /** Writes all bytes of a block, at the pace of the reader. */
  write(block: Uint8Array): Promise<void>;
  /** To be called at the end: a file is on the disk afterwards. */
  end(): Promise<void>;
}

/**
 * Opens standard output for a long binary result.
 * @throws HeadwaterError `usage` when it is a terminal. Writing throws `unavailable` when the reader of a pipe has gone, and
 *   `no-space` when a disk is full
 */
export async function openStandardOutput(): Promise<BinaryOutput> {
  if (process.stdout.isTTY) {
    throw new HeadwaterError('usage', 'standard output is a terminal: redirect it to a file or a program');
  }
  const isFile = (await promisify(fstat)(descriptor)).isFile();
  return {
    write: async (block) => await guarded(isFile ? writeToFile(block) : writeToPipe(block)),
    end: async () => {
      if (isFile) await guarded(promisify(fsync)(descriptor));
    },
  };
}

/** Node.js ignores that a file took fewer bytes than it was given, as a full disk does. */
async function writeToFile(block: Uint8Array): Promise<void> {
  for (let at = 0; at < block.length; ) {
    at += (await promisify(write)(descriptor, block, at, block.length - at)).bytesWritten;
  }
}

async function writeToPipe(block: Uint8Array): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(block, (error) => (error == null ? resolve() : reject(error)));
  });
}

async function guarded(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (codeOf(error) !== 'EPIPE' && codeOf(error) !== 'ERR_STREAM_DESTROYED') {
      throw fileError(error, { path: 'standard output', doing: 'write', isInput: true });
    }
    throw new HeadwaterError(
      'unavailable',
      'the program that reads standard output ended before all bytes were written',
      { cause: error },
    );
  }
}
