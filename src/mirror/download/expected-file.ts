import { createHash, hash } from 'node:crypto';
import type { Digest } from '../../model/digest.ts';
import { maxFileInMemory } from '../../publish/intake/intake.ts';
import { WrongBytes } from '../upstream/retry-elsewhere.ts';

/** A file of an upstream, with the digests that its document gives. */
export interface ExpectedFile {
  path: string;
  size: number;
  sha256?: Digest;
  sha512?: string;
  md5?: string;
}

/** The files of a version to download. */
export interface ExpectedFiles {
  metadata?: ExpectedFile;
  roots: ExpectedFile[];
  deltas: ExpectedFile[];
}

/** The metadata, then roots and deltas. */
export function allOf({ metadata, roots, deltas }: ExpectedFiles): ExpectedFile[] {
  return [...(metadata === undefined ? [] : [metadata]), ...roots, ...deltas];
}

/** Whether a file is downloaded in memory, in a batch. */
export function isSmall({ size }: Pick<ExpectedFile, 'size'>): boolean {
  return size <= maxFileInMemory;
}

/** Identifies a file: by its SHA-256 where the document gives one. */
export function keyOf({ sha256, path }: ExpectedFile): string {
  return sha256 ?? path;
}

/** The strongest digest that the document gives, with its algorithm; undefined when it gives none. */
function checkOf({ sha256, sha512, md5 }: ExpectedFile): { algorithm: string; expected: string } | undefined {
  if (sha256 !== undefined) return { algorithm: 'sha256', expected: sha256 };
  if (sha512 !== undefined) return { algorithm: 'sha512', expected: sha512 };
  return md5 === undefined ? undefined : { algorithm: 'md5', expected: md5 };
}

/** @throws WrongBytes when the bytes do not have the announced digest */
export function assertExpected(file: ExpectedFile, bytes: Uint8Array): void {
  const check = checkOf(file);
  if (check === undefined) return;
  const actual = hash(check.algorithm, bytes);
  if (actual !== check.expected) throw other(file, check, actual);
}

/**
 * The same bytes; the stream fails at its end when they do not have the announced digest. A SHA-256 is not checked here,
 * because storing the bytes computes it anyway.
 * @throws WrongBytes
 */
export function checked(file: ExpectedFile, bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const check = checkOf(file);
  return check === undefined || check.algorithm === 'sha256' ? bytes : checkedWith(file, check, bytes);
}

async function* checkedWith(
  file: ExpectedFile,
  check: { algorithm: string; expected: string },
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const hash = createHash(check.algorithm);
  for await (const chunk of bytes) {
    hash.update(chunk);
    yield chunk;
  }
  const actual = hash.digest('hex');
  if (actual !== check.expected) throw other(file, check, actual);
}

function other(
  { path }: ExpectedFile,
  check: { algorithm: string; expected: string },
  actual: string,
): WrongBytes {
  return new WrongBytes(`${path}: its ${check.algorithm} is ${actual}, but ${check.expected} was announced`);
}
