import type { ProductDetails } from '../catalog/model.ts';
import {
  impliedAliases,
  type ProductKey,
  parseAlias,
  parseNamePart,
  parseSerial,
  parseStream,
  serialOf,
} from '../catalog/names.ts';
import { HeadwaterError } from '../errors.ts';
import { type Architecture, parseArchitecture } from '../image/architecture.ts';
import type { ImageMetadata, RootfsFacts } from '../image/content.ts';
import type { PublishRequest } from './request.ts';

/** What a version will be called and what will be said of it. */
export interface Description {
  product: ProductKey & { architecture: Architecture };
  serial: string;
  stream: string;
  label: string;
  details: ProductDetails;
  /** Asked for by whoever publishes. */
  aliases: string[];
  /** The ones every product has. */
  implied: string[];
}

/** A request whose every field was checked before any file is read. */
export interface CheckedRequest {
  os?: string;
  release?: string;
  architecture?: Architecture;
  variant?: string;
  serial?: string;
  stream: string;
  aliases: string[];
  requirements: Record<string, string>;
}

/**
 * Checks what a request says, so that a misspelt flag costs nothing.
 * @throws HeadwaterError `invalid`, naming the field
 */
export function checkRequest(request: PublishRequest): CheckedRequest {
  if (request.eol !== undefined) assertDate('eol', request.eol);
  for (const [field, text] of Object.entries({
    title: request.title,
    label: request.label,
    osTitle: request.osTitle,
  })) {
    if (text !== undefined) assertText(field, text);
  }
  for (const [key, value] of Object.entries(request.requirements ?? {})) {
    assertText(`requirement ${key}`, value);
    if (!/^[A-Za-z0-9_.-]+$/.test(key)) {
      throw new HeadwaterError(
        'invalid',
        `requirement ${JSON.stringify(key)}: use letters, digits and . _ - in its name`,
      );
    }
  }
  return {
    ...optional('os', request.os, (text) => parseNamePart('os', text)),
    ...optional('release', request.release, (text) => parseNamePart('release', text)),
    ...optional('variant', request.variant, (text) => parseNamePart('variant', text)),
    ...optional('architecture', request.architecture, parseArchitecture),
    ...optional('serial', request.serial, parseSerial),
    stream: parseStream(request.stream ?? 'images'),
    aliases: [...new Set(request.aliases ?? [])].map(parseAlias),
    requirements: request.requirements ?? {},
  };
}

/**
 * Puts together what the request and metadata.yaml say of a version.
 * @param options.requestWins what the request says is taken where metadata.yaml disagrees; only the architecture, which
 * decides where an image can run, must be the same
 * @throws HeadwaterError `invalid` where they disagree, or where neither says enough
 */
export function describe(
  request: PublishRequest,
  checked: CheckedRequest,
  metadata: ImageMetadata,
  options: { requestWins?: boolean } = {},
): Description {
  const { properties } = metadata;
  const agree = <Text extends string>(
    field: string,
    given: Text | undefined,
    found: Text | undefined,
  ): Text => {
    if (given !== undefined && found !== undefined && given !== found) {
      throw new HeadwaterError(
        'invalid',
        `${field} was given as ${given}, but metadata.yaml says ${found}: leave --${field} out, or correct metadata.yaml`,
      );
    }
    const value = given ?? found;
    if (value === undefined) {
      throw new HeadwaterError(
        'invalid',
        `metadata.yaml has no property "${field}": give it with --${field}`,
      );
    }
    return value;
  };
  const said = (field: 'os' | 'release' | 'variant') =>
    options.requestWins === true && checked[field] !== undefined ? undefined : property(properties, field);
  const os = agree('os', checked.os, said('os'));
  const release = agree('release', checked.release, said('release'));
  const found = said('variant');
  const variant =
    found === undefined ? (checked.variant ?? 'default') : agree('variant', checked.variant, found);
  const architecture = agree('architecture', checked.architecture, metadata.architecture);
  if (options.requestWins !== true) assertPropertyArchitecture(properties['architecture'], architecture);
  const product = { os, release, architecture, variant };
  return {
    product,
    serial: checked.serial ?? serialFrom(metadata),
    stream: checked.stream,
    label: request.label ?? 'release',
    details: {
      osTitle: request.osTitle ?? text(properties['os']) ?? os,
      releaseTitle: request.title ?? text(properties['release']) ?? release,
      ...(request.eol === undefined ? {} : { supportEol: request.eol }),
      requirements: checked.requirements,
    },
    aliases: checked.aliases,
    implied: impliedAliases(product),
  };
}

/**
 * What a bare root filesystem is called: as given, else as it says itself.
 * @throws HeadwaterError `invalid` where neither says enough, or where the architectures differ
 */
export function nameBareRoot(
  file: string,
  checked: CheckedRequest,
  facts: RootfsFacts,
): {
  os: string;
  release: string;
  variant: string;
  architecture: Architecture;
  osTitle: string;
  serial: string;
} {
  if (
    checked.architecture !== undefined &&
    facts.architecture !== undefined &&
    checked.architecture !== facts.architecture
  ) {
    throw new HeadwaterError(
      'invalid',
      `${file}: architecture was given as ${checked.architecture}, but its programs are for ${facts.architecture}`,
    );
  }
  const architecture = checked.architecture ?? facts.architecture;
  const os = checked.os ?? (facts.os === undefined ? undefined : parseNamePart('os', facts.os));
  const release =
    checked.release ?? (facts.release === undefined ? undefined : parseNamePart('release', facts.release));
  const missing = Object.entries({ os, release, architecture }).filter(([, value]) => value === undefined);
  if (os === undefined || release === undefined || architecture === undefined) {
    const flags = missing.map(([field]) => `--${field}`).join(' and ');
    throw new HeadwaterError(
      'invalid',
      `${file}: has no metadata and does not say everything itself: give ${flags}`,
    );
  }
  return {
    os,
    release,
    architecture,
    variant: checked.variant ?? 'default',
    osTitle: os,
    serial: checked.serial ?? serialOf(new Date()),
  };
}

function serialFrom(metadata: ImageMetadata): string {
  const given = metadata.properties['serial'];
  if (given !== undefined) {
    try {
      return parseSerial(given);
    } catch (error) {
      // Builders write what they like there; creation_date always says when.
      if (!(error instanceof HeadwaterError)) throw error;
    }
  }
  return serialOf(new Date(metadata.creationDate * 1000));
}

/** A property as a part of a product's name: builders write `Rocky Linux` where names have `rocky-linux`. */
function property(properties: Record<string, string>, field: string): string | undefined {
  const value = text(properties[field]);
  if (value === undefined) return undefined;
  return parseNamePart(`metadata.yaml: property "${field}"`, value.replaceAll(/ +/g, '-'));
}

function text(value: string | undefined): string | undefined {
  const trimmed = value?.trim();
  return trimmed === '' ? undefined : trimmed;
}

function assertPropertyArchitecture(given: string | undefined, architecture: Architecture): void {
  if (given === undefined || given.trim() === '') return;
  if (parseArchitecture(given) === architecture) return;
  throw new HeadwaterError(
    'invalid',
    `metadata.yaml: property "architecture" is ${given}, but its field "architecture" says ${architecture}`,
  );
}

function assertDate(field: string, value: string): void {
  const date = new Date(`${value}T00:00:00Z`);
  const valid =
    /^\d{4}-\d{2}-\d{2}$/.test(value) &&
    !Number.isNaN(date.getTime()) &&
    date.toISOString().startsWith(value);
  if (!valid)
    throw new HeadwaterError('invalid', `${field} ${JSON.stringify(value)}: expected a date as YYYY-MM-DD`);
}

function assertText(field: string, value: string): void {
  if (value.length <= 200 && !/[\u0000-\u001f\u007f]/.test(value)) return;
  throw new HeadwaterError('invalid', `${field}: use at most 200 characters, and no control characters`);
}

function optional<Key extends string, Parsed>(
  key: Key,
  value: string | undefined,
  parse: (text: string) => Parsed,
): { [name in Key]?: Parsed } {
  return (value === undefined ? {} : { [key]: parse(value) }) as { [name in Key]?: Parsed };
}
