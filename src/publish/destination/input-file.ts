import { singleChunk } from '../../async/single-chunk.ts';
import { HeadwaterError } from '../../errors.ts';
import { openFile } from '../../files/open-file.ts';
import { defined } from '../../model/defined.ts';
import type { Digest } from '../../model/digest.ts';
import type { ExaminedFile } from '../intake/intake-types.ts';
import type { WriteDown } from '../intake/tee-file.ts';
import type { Progress } from '../request.ts';
import type { InputFile } from './destination.ts';

// Reads the description of a file that is about to be stored.

/** The bytes of a file that is not stored yet. */
export async function openInput(
  file: Exclude<InputFile, { from: 'blob' }>,
): Promise<{ size: number | undefined; bytes: AsyncIterable<Uint8Array> }> {
  if (file.from === 'disk') return await openFile(file.path);
  if (file.from === 'stream') return { size: file.size, bytes: file.bytes };
  return { size: file.bytes.length, bytes: singleChunk(file.bytes) };
}

/** The path of the file, when the store may clone or take it over instead of copying its bytes. */
export function landing(file: InputFile): string | undefined {
  if (file.from === 'disk') return file.inPlace === true ? file.path : undefined;
  return file.from === 'stream' ? file.landing?.path : undefined;
}

/** The file to which the bytes are written as they pass. */
export function writtenDown(file: InputFile): { into?: WriteDown } {
  if (file.from !== 'stream' || file.landing?.from === undefined) return {};
  return { into: { path: file.landing.path, from: file.landing.from } };
}

/** @throws HeadwaterError `invalid` when it is not the announced file */
export function asExpected(file: InputFile, findings: ExaminedFile): Digest {
  const expected = 'expectedDigest' in file ? file.expectedDigest : undefined;
  if (expected !== undefined && expected !== findings.digest) {
    throw new HeadwaterError(
      'invalid',
      `SHA-256 is ${findings.digest}, but ${expected} was announced: the file is damaged or was replaced, fetch or build it again`,
    );
  }
  return findings.digest;
}

/** The same bytes; progress is reported as they pass. */
export async function* reported(
  bytes: AsyncIterable<Uint8Array>,
  file: string,
  total: number | undefined,
  progress: Progress,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const chunk of bytes) {
    yield chunk;
    done += chunk.length;
    progress({ file, done, ...defined({ total }) });
  }
}
