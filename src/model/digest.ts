import { HeadwaterError } from '../errors.ts';

/** The SHA-256 of a blob: 64 lower-case hexadecimal digits. Made only by {@link parseDigest}. */
export type Digest = string & { readonly brand: 'Digest' };

const hex = /^[0-9a-f]{64}$/;

/**
 * Reads a digest: 64 hexadecimal digits, with or without the prefix `sha256:`.
 * @throws HeadwaterError `invalid`, naming what was given
 */
export function parseDigest(text: string): Digest {
  const digits = text.toLowerCase().replace(/^sha256:/, '');
  if (!hex.test(digits)) {
    throw new HeadwaterError(
      'invalid',
      `digest ${JSON.stringify(text)}: expected sha256: and 64 hexadecimal digits`,
    );
  }
  return digits as Digest;
}
