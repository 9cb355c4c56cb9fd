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

/** What a version will be called and what will be said of it. */
export interface Description {
  product: ProductKey & { architecture: Architecture };
  serial: string;
  /** Nobody gave it: it comes from a time (`VersionDraft`). */
  serialIsDerived: boolean;
  stream: string;
  label: string;
  details: ProductDetails;
  /** The ones that every product has, then those of the request. */
  aliases: AliasClaim[];
  /** Where the request and metadata.yaml disagree, in words. */
  warnings: string[];
}

/** What is said of a version beside its files. */
export interface DescribeOptions {
  /**
   * The request is what an upstream's document says: that metadata.yaml disagrees is nothing to tell of, and the names that
   * people read are not its own.
   */
  fromUpstream?: boolean;
  now?: Date;
}

/**
 * Puts together what the request and metadata.yaml say of a version. What the request says is taken where they disagree,
 * with a warning; only the architecture, which decides where an image can run, must be the same.
 * @throws HeadwaterError `invalid` where the architectures disagree, or where neither says enough
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
    // A name that the request corrects is no title; one that only cannot be part of a name is.
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

/** Nobody asked for the aliases that every product has, nor for those of an upstream: they are not worth a refusal. */
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

/** What the request says, or else metadata.yaml. */
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
 * Reproducible builds write 0, 1 or the like for the time of a build; there are no images from before LXC and its image
 * servers.
 */
const firstSerial = '20080101_0000';
const firstSecond = timeOfSerial(firstSerial).getTime() / 1000;
/** The last second of the year 9999. */
const lastSecond = 253_402_300_799;

/** The serial that metadata.yaml gives, or that of the present minute where it says nothing. */
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
    `metadata.yaml: ${says} is no time at which an image was made: the present minute becomes the serial; give another with serial`,
  );
  return { serial: serialOf(now), isDerived: true };
}

/** A property as a part of a product's name, if it can be one. */
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
