import { HeadwaterError, messageOf, quotable } from '../errors.ts';
import type { ImageMetadata } from '../image/content.ts';
import { type Architecture, parseArchitecture } from '../model/architecture.ts';
import { defined } from '../model/defined.ts';
import {
  impliedAliases,
  type ProductKey,
  parseNamePart,
  parseSerial,
  serialOf,
  timeOfSerial,
} from '../model/names.ts';
import type { AliasClaim, ProductDetails } from '../model/versions.ts';
import type { CheckedRequest } from './checked-request.ts';
import type { PublishRequest } from './request.ts';

/** The names and details of a version that is about to be published. */
export interface Description {
  product: ProductKey & { architecture: Architecture };
  serial: string;
  /** The serial was not given: it comes from a time (`VersionDraft`). */
  serialIsDerived: boolean;
  stream: string;
  label: string;
  details: ProductDetails;
  /** The default aliases of the product, then those of the request. */
  aliases: AliasClaim[];
  /** Warnings about differences between the request and metadata.yaml. */
  warnings: string[];
}

/** The details of a version, apart from its files. */
export interface DescribeOptions {
  /**
   * The request comes from an upstream's document: differences from metadata.yaml give no warning, and the names that
   * people read are not its own.
   */
  fromUpstream?: boolean;
  now?: Date;
}

/**
 * Combines the request and metadata.yaml into the details of a version. If they disagree, the request applies, with a
 * warning; only the architecture, which decides where an image can run, must be the same.
 * @throws HeadwaterError `invalid` if the architectures differ, or if a name is in neither
 */
export function describe(
  request: PublishRequest,
  checked: CheckedRequest,
  metadata: ImageMetadata,
  options: DescribeOptions = {},
): Description {
  const { properties } = metadata;
  const { fromUpstream = false, now = new Date() } = options;
  const warnings: string[] = [];
  const os = chosen('os', checked, properties, warnings) ?? missing('os');
  const release = chosen('release', checked, properties, warnings) ?? missing('release');
  const variant = chosen('variant', checked, properties, warnings) ?? 'default';
  assertSameArchitecture(checked, metadata.architecture);
  const { architecture } = metadata;
  if (!fromUpstream) assertPropertyArchitecture(properties['architecture'], architecture);
  const title = (field: 'os' | 'release', name: string): string => {
    const written = text(properties[field]);
    // A name that the request replaces is not used as the title; a name that is merely not valid as part of a product's
    // name is.
    return written === undefined || (!fromUpstream && (plainName(written) ?? name) !== name) ? name : written;
  };
  const product = { os, release, architecture, variant };
  const named =
    checked.serial === undefined ? serialFrom(metadata, { now, warnings }) : { serial: checked.serial };
  return {
    product,
    serial: named.serial,
    serialIsDerived: 'isDerived' in named,
    stream: checked.stream,
    label: request.label ?? 'release',
    details: {
      osTitle: request.osTitle ?? title('os', os),
      releaseTitle: request.title ?? title('release', release),
      ...defined({ supportEol: request.eol }),
      requirements: checked.requirements,
    },
    aliases: claimAliases(impliedAliases(product), checked.aliases, { fromUpstream }),
    warnings: fromUpstream ? [] : warnings,
  };
}

/**
 * Default aliases and aliases of an upstream were not requested explicitly: a conflict is no reason to refuse the
 * version.
 */
function claimAliases(
  implied: string[],
  requested: string[],
  { fromUpstream }: { fromUpstream: boolean },
): AliasClaim[] {
  const claims = new Map<string, AliasClaim>();
  for (const name of implied) claims.set(name, { name, ifTaken: 'withhold' });
  for (const name of requested) claims.set(name, { name, ifTaken: fromUpstream ? 'withhold' : 'refuse' });
  return [...claims.values()];
}

/** The value in the request, or else in metadata.yaml. */
function chosen(
  field: 'os' | 'release' | 'variant',
  checked: CheckedRequest,
  properties: Record<string, string>,
  warnings: string[],
): string | undefined {
  const given = checked[field];
  const written = text(properties[field]);
  if (written === undefined) return given;
  const stated = plainName(written);
  if (given === undefined) {
    if (stated !== undefined) return stated;
    const place = `metadata.yaml: property "${field}"`;
    try {
      return parseNamePart(place, withHyphens(written));
    } catch (error) {
      throw new HeadwaterError('invalid', `${messageOf(error)}: give another with ${field}`, {
        cause: error,
        fields: [field],
      });
    }
  }
  if (given !== stated) {
    warnings.push(`${field} ${given} is used, although metadata.yaml says ${quotable(written, 80)}`);
  }
  return given;
}

function missing(field: 'os' | 'release'): never {
  const message = `metadata.yaml has no property "${field}": give it with ${field}`;
  throw new HeadwaterError('invalid', message, { fields: [field] });
}

function assertSameArchitecture({ architecture: given }: CheckedRequest, stated: Architecture): void {
  if (given === undefined || given === stated) return;
  throw new HeadwaterError(
    'invalid',
    `architecture was given as ${given}, but metadata.yaml says ${stated}: leave architecture out, or correct metadata.yaml`,
    { fields: ['architecture'] },
  );
}

/**
 * Reproducible builds write 0, 1 or a similar number as the time of a build; no image is older than LXC and its image
 * servers.
 */
const firstSerial = '20080101_0000';
const firstSecond = timeOfSerial(firstSerial).getTime() / 1000;
/** The last second of the year 9999. */
const lastSecond = 253_402_300_799;

/** The serial from metadata.yaml, or the current minute if it gives none. */
function serialFrom(
  { properties, creationDate }: ImageMetadata,
  { now, warnings }: { now: Date; warnings: string[] },
): { serial: string } | { serial: string; isDerived: true } {
  const given = text(properties['serial']);
  let serial: string | undefined;
  try {
    serial = given === undefined ? undefined : parseSerial(given);
  } catch (error) {
    throw new HeadwaterError(
      'invalid',
      `metadata.yaml: property ${messageOf(error)}: correct it, or give serial`,
      { cause: error, fields: ['serial'] },
    );
  }
  if (serial !== undefined && serial >= firstSerial) return { serial };
  if (serial === undefined && creationDate >= firstSecond && creationDate <= lastSecond) {
    return { serial: serialOf(new Date(creationDate * 1000)), isDerived: true };
  }
  const says = serial === undefined ? `creation_date ${creationDate}` : `serial ${serial}`;
  warnings.push(
    `metadata.yaml: ${says} is not the time of a build: the current minute becomes the serial; give another with serial`,
  );
  return { serial: serialOf(now), isDerived: true };
}

/** A property as a part of a product's name, if it is valid as one. */
function plainName(written: string): string | undefined {
  try {
    return parseNamePart('name', withHyphens(written));
  } catch (error) {
    if (error instanceof HeadwaterError) return undefined;
    throw error;
  }
}

/** Builders write `Rocky Linux` where names have `rocky-linux`. */
function withHyphens(written: string): string {
  return written.replaceAll(/ +/g, '-');
}

function text(value: string | undefined): string | undefined {
  const trimmed = value?.trim();
  return trimmed === '' ? undefined : trimmed;
}

function assertPropertyArchitecture(given: string | undefined, architecture: Architecture): void {
  if (given === undefined || given.trim() === '') return;
  const place = 'metadata.yaml: property "architecture"';
  let stated: Architecture;
  try {
    stated = parseArchitecture(given);
  } catch (error) {
    throw new HeadwaterError('invalid', `${place}: ${messageOf(error)}`, { cause: error });
  }
  if (stated === architecture) return;
  throw new HeadwaterError(
    'invalid',
    `${place} is ${given}, but its field "architecture" says ${architecture}`,
  );
}
