import { HeadwaterError } from '../errors.ts';

// Names end up in paths, in comma-separated alias lists and in colon-separated product names, so what they may
// hold is narrow (clients split at commas and colons without trimming).
const part = /^[a-z0-9][a-z0-9._+~-]{0,63}$/;
const aliasSegment = /^[A-Za-z0-9][A-Za-z0-9._+~:-]{0,127}$/;

/** What tells one product from another. */
export interface ProductKey {
  os: string;
  release: string;
  architecture: string;
  variant: string;
}

/**
 * What an alias leads to: the products of one os, release and variant, one for each architecture. Clients pick
 * theirs, and the newest version.
 */
export type Family = Pick<ProductKey, 'os' | 'release' | 'variant'>;

/** Only the family of something that belongs to one: as a condition of a query, too. */
export function familyOf({ os, release, variant }: Family): Family {
  return { os, release, variant };
}

/** The name of a product in documents: `debian:bookworm:amd64:default`. */
export function productName(key: ProductKey): string {
  return `${key.os}:${key.release}:${key.architecture}:${key.variant}`;
}

/** The aliases every product has: `os/release/variant`, and `os/release` for the variant `default`. */
export function impliedAliases({ os, release, variant }: ProductKey): string[] {
  const full = `${os}/${release}/${variant}`;
  return variant === 'default' ? [`${os}/${release}`, full] : [full];
}

/**
 * Checks one part of a product's name and gives it in lower case.
 * @param field what it is (`os`, `release`, `variant`, `stream`), for the message
 * @throws HeadwaterError `invalid`
 */
export function parseNamePart(field: string, text: string): string {
  const name = text.toLowerCase();
  if (!part.test(name) || name.includes('..')) {
    throw new HeadwaterError(
      'invalid',
      `${field} ${JSON.stringify(text)}: use letters, digits and . _ + ~ - only, at most 64, beginning with a letter or digit, without ".."`,
    );
  }
  return name;
}

/**
 * Checks the name of a stream; `index` is taken, by the path of the index.
 * @throws HeadwaterError `invalid`
 */
export function parseStream(text: string): string {
  const name = parseNamePart('stream', text);
  if (name === 'index')
    throw new HeadwaterError('invalid', 'stream "index": the index has this name, choose another');
  return name;
}

/**
 * Checks an alias: names like those of products, with slashes between them (`debian/bookworm`, `team/app:v1`).
 * @throws HeadwaterError `invalid`
 */
export function parseAlias(text: string): string {
  const bad =
    text.length > 255 ||
    text.split('/').some((segment) => !aliasSegment.test(segment) || segment.includes('..'));
  if (bad) {
    throw new HeadwaterError(
      'invalid',
      `alias ${JSON.stringify(text)}: use names of letters, digits and . _ + ~ : - with single slashes between them`,
    );
  }
  return text;
}

/**
 * Reads a serial and gives it as `YYYYMMDD_HHMM`. Understands what image builders write: `20260131_0524`,
 * `20260131_05:24`, `202601310524` and `20260131`.
 * @throws HeadwaterError `invalid`
 */
export function parseSerial(text: string): string {
  const match = /^(\d{4})(\d{2})(\d{2})(?:_?(\d{2}):?(\d{2}))?$/.exec(text);
  const [, year, month, day, hour = '00', minute = '00'] = match ?? [];
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:00Z`);
  if (
    match === null ||
    Number.isNaN(date.getTime()) ||
    serialOf(date) !== `${year}${month}${day}_${hour}${minute}`
  ) {
    throw new HeadwaterError(
      'invalid',
      `serial ${JSON.stringify(text)}: expected a date and time as YYYYMMDD_HHMM, in UTC`,
    );
  }
  return serialOf(date);
}

/** The serial of a moment, in UTC. */
export function serialOf(date: Date): string {
  const iso = date.toISOString();
  return `${iso.slice(0, 4)}${iso.slice(5, 7)}${iso.slice(8, 10)}_${iso.slice(11, 13)}${iso.slice(14, 16)}`;
}
