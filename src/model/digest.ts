import { HeadwaterError } from '../errors.ts';

/** The SHA-256 of a blob: 64 lower-case hexadecimal digits. */
export type Digest = string & { readonly brand: 'Digest' };

const hex = /^[0-9a-f]{64}$/;

/** Whether a text is a digest as file names and documents have it, without a prefix. */
export function isDigest(text: string): text is Digest {
  return hex.test(text);
}

/**
 * Reads a digest: 64 hexadecimal digits, with or without the prefix `sha256:`.
 * @throws HeadwaterError `invalid`, naming the given text
 */
export function parseDigest(text: string): Digest {
  const digits = text.toLowerCase().replace(/^sha256:/, '');
  if (isDigest(digits)) return digits;
  throw new HeadwaterError(
    'invalid',
    `digest ${JSON.stringify(text)}: expected sha256: and 64 hexadecimal digits`,
  );
}
