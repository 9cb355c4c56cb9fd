import type { ProductDetails } from '../catalog/model.ts';
import { impliedAliases, type ProductKey, parseNamePart, parseSerial, serialOf } from '../catalog/names.ts';
import { HeadwaterError, messageOf } from '../errors.ts';
import { type Architecture, parseArchitecture } from '../image/architecture.ts';
import type { ImageMetadata } from '../image/content.ts';
import type { CheckedRequest } from './checked-request.ts';
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
    field: 'os' | 'release' | 'architecture' | 'variant',
    given: Text | undefined,
    found: Text | undefined,
  ): Text => {
    const called = checked.called(field);
    if (given !== undefined && found !== undefined && given !== found) {
      throw new HeadwaterError(
        'invalid',
        `${called} was given as ${given}, but metadata.yaml says ${found}: leave ${called} out, or correct metadata.yaml`,
      );
    }
    const value = given ?? found;
    if (value === undefined) {
      throw new HeadwaterError('invalid', `metadata.yaml has no property "${field}": give it with ${called}`);
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
    serial: checked.serial ?? serialFrom(metadata, checked),
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

function serialFrom({ properties, creationDate }: ImageMetadata, { called }: CheckedRequest): string {
  const given = text(properties['serial']);
  if (given === undefined) return serialOf(new Date(creationDate * 1000));
  try {
    return parseSerial(given);
  } catch (error) {
    throw new HeadwaterError(
      'invalid',
      `metadata.yaml: property ${messageOf(error)}: correct it, or give ${called('serial')}`,
      { cause: error },
    );
  }
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
  const place = 'metadata.yaml: property "architecture"';
  let found: Architecture;
  try {
    found = parseArchitecture(given);
  } catch (error) {
    throw new HeadwaterError('invalid', `${place}: ${messageOf(error)}`, { cause: error });
  }
  if (found === architecture) return;
  throw new HeadwaterError(
    'invalid',
    `${place} is ${given}, but its field "architecture" says ${architecture}`,
  );
}
