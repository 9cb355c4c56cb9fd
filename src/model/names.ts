import { HeadwaterError } from '../errors.ts';

// Names are used in paths, in comma-separated alias lists and in colon-separated product names, so their characters are
//  restricted (clients split at commas and colons without trimming).
const part = /^[a-z0-9][a-z0-9._+~-]{0,63}$/;
const aliasSegment = /^[A-Za-z0-9][A-Za-z0-9._+~:-]{0,127}$/;

/** The key of a product. */
export interface ProductKey {
  os: string;
  release: string;
  architecture: string;
  variant: string;
}

/**
 * The target of an alias: the products of one os, release and variant, one for each architecture. Clients pick their
 * own, and the newest version.
 */
export type Family = Pick<ProductKey, 'os' | 'release' | 'variant'>;

/** A family in one stream: the target of an alias of the stream. */
export interface StreamFamily extends Family {
  stream: string;
}

/** Only the family of something that belongs to one: as a condition of a query, too. */
export function familyOf({ stream, os, release, variant }: StreamFamily): StreamFamily {
  return { stream, os, release, variant };
}

/** A product by its name, which is unique within its stream. */
export interface ProductRef {
  stream: string;
  /** `os:release:architecture:variant` */
  name: string;
}

/** A product, an alias or a family, as written together with its stream: `nightly/debian:bookworm:amd64:default`. */
export function inStream(stream: string, name: string): string {
  return `${stream}/${name}`;
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
 * @param field its kind (`os`, `release`, `variant`, `stream`), for the message
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

/** What image builders write as a serial, read. */
export interface SerialParts {
  /** `YYYYMMDD` */
  day: string;
  /** Of the day: from 0 to 1439. */
  minute: number;
  /** 0 to 59; not part of a serial. */
  second: number;
}

/**
 * Reads a serial, as far as it can be read: a day (`20260131`), a day and a time (`20260131_0524`, `20260131_05:24`,
 * `202601310524`, `20260131-0524`, `20260131T0524`), also with seconds (`20260131_052410`), or a day and a counter
 * (`20260131.1`, `20260131-1`), which counts minutes of that day.
 * @returns undefined for anything else, and for a day or a time that does not exist
 */
export function readSerial(text: string): SerialParts | undefined {
  const [, day = '', hour, minute, second = '0'] =
    /^(\d{8})(?:[_T-]?(\d{2}):?(\d{2})(?::?(\d{2}))?Z?)?$/.exec(text) ?? [];
  const counter = /^\d{8}(?:\.(\d{1,4})|-(\d{1,3}))$/.exec(text);
  const parts =
    counter === null
      ? { day, minute: Number(hour ?? 0) * 60 + Number(minute ?? 0), second: Number(second) }
      : { day: text.slice(0, 8), minute: Number(counter[1] ?? counter[2]), second: 0 };
  const isTime = parts.second < 60 && Number(minute ?? 0) < 60 && parts.minute < 24 * 60;
  return isDay(parts.day) && isTime ? parts : undefined;
}

/** Whether `YYYYMMDD` is a day. */
export function isDay(text: string): boolean {
  if (!/^\d{8}$/.test(text)) return false;
  const date = new Date(`${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && serialOf(date).startsWith(text);
}

/** The serial of a minute of a day. */
export function serialAt(day: string, minute: number): string {
  const two = (value: number) => String(value).padStart(2, '0');
  return `${day}_${two(Math.floor(minute / 60))}${two(minute % 60)}`;
}

/**
 * Reads a serial ({@link readSerial}) and gives it as `YYYYMMDD_HHMM`.
 * @throws HeadwaterError `invalid`
 */
export function parseSerial(text: string): string {
  const parts = readSerial(text);
  if (parts !== undefined) return serialAt(parts.day, parts.minute);
  throw new HeadwaterError(
    'invalid',
    `serial ${JSON.stringify(text)}: expected a date and time as YYYYMMDD_HHMM, in UTC`,
  );
}

/** The serial of a moment, in UTC. */
export function serialOf(date: Date): string {
  const iso = date.toISOString();
  return `${iso.slice(0, 4)}${iso.slice(5, 7)}${iso.slice(8, 10)}_${iso.slice(11, 13)}${iso.slice(14, 16)}`;
}

/** The time of a serial `YYYYMMDD_HHMM`. */
export function timeOfSerial(serial: string): Date {
  const [, year, month, day, hour, minute] = /^(\d{4})(\d{2})(\d{2})_(\d{2})(\d{2})$/.exec(serial) ?? [];
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:00Z`);
}

/** The serial of the minute after. */
export function serialAfter(serial: string): string {
  return serialOf(new Date(timeOfSerial(serial).getTime() + 60_000));
}
