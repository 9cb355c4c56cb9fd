import { createHash } from 'node:crypto';

/** A receipt in one line, for the telephone or a sheet of paper: `vault-7 7 3f2a-9c1b-04d2`. */
export interface ShortCode {
  /** The site that has the bundle. */
  site: string;
  /** The newest bundle that it imported. */
  sequence: number;
  /** 12 hexadecimal digits ({@link stateCode}). */
  code: string;
}

/**
 * What a short code proves: the bundle, and the blobs of its versions.
 * @param identity the SHA-256 of the manifest
 * @param digests the blobs that the versions of the manifest need and the site has: SHA-256 in hexadecimal
 * @returns 12 hexadecimal digits
 */
export function stateCode(identity: string, digests: Iterable<string>): string {
  const hash = createHash('sha256').update(`${identity}\n`);
  for (const digest of [...digests].sort()) hash.update(`${digest}\n`);
  return hash.digest('hex').slice(0, 12);
}

/** The line that is read out. */
export function renderCode({ site, sequence, code }: ShortCode): string {
  return `${site} ${sequence} ${code.replaceAll(/(.{4})(?=.)/g, '$1-')}`;
}

/** Reads a line as a person types it. @returns undefined if it is no short code */
export function parseCode(text: string): ShortCode | undefined {
  const pattern =
    /^([a-z0-9][a-z0-9-]{0,31})\s+([1-9]\d{0,8})\s+([0-9a-f]{4})[-\s]?([0-9a-f]{4})[-\s]?([0-9a-f]{4})$/;
  const [, site, sequence, ...digits] = pattern.exec(text.trim().toLowerCase()) ?? [];
  if (site === undefined || sequence === undefined) return undefined;
  return { site, sequence: Number(sequence), code: digits.join('') };
}
