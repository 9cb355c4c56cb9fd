import { HeadwaterError, jsonProblem, messageOf } from '../../errors.ts';
import { parseArchitecture } from '../../model/architecture.ts';
import { type ProductKey, parseNamePart, productName, readSerial } from '../../model/names.ts';
import { mapping, text, type Untyped } from './fields.ts';
import { assertEnd, jsonMembers, parse } from './json-members.ts';
import type { OfferedProduct, OfferedVersion, Skips } from './offered.ts';
import { readDetails } from './product.ts';
import { assignSerials, type HeldName, isVersionName, knownSerials, serialFromUpstream } from './serial.ts';
import { readVersion } from './version.ts';

/** What a document says around a version. */
export interface Surroundings {
  /** The document's own fields. */
  top: Untyped;
  product: Untyped;
  key: ProductKey;
}

/** Decides what of a version is taken: the version with fewer files perhaps, or undefined for none of it. */
export type VersionFilter = (
  around: Surroundings,
  versionFields: Untyped,
  version: OfferedVersion,
) => OfferedVersion | undefined;

/** How a products document is read. */
interface ReadingOptions {
  select: VersionFilter;
  /** Given to products that have none. */
  variant: string;
  deltas: boolean;
  skips: Skips;
  /** Which versions of a product are here, by its name here: their serials stay. */
  held?: (product: string) => readonly HeldName[];
}

/** What a products document has, selected or not. */
export interface Totals {
  products: number;
  /** Those that can be used. */
  versions: number;
}

/** What was read of a document, in all. */
interface Reading extends Totals {
  /** Products of which something is selected and nothing can be taken, for what its versions are called. */
  unnamed: string[];
}

/**
 * Reads a products document of an upstream, as tolerantly as clients do: what cannot be used is skipped and counted,
 * and everything else is taken.
 * @param bytes the document, as JSON
 * @param where the document in messages
 * @returns the products of which something is selected, what there is in all, products whose versions cannot be named, and the document's own fields with the
 * names of its products
 * @throws HeadwaterError `invalid` when it is no products document at all
 */
export function readProducts(
  bytes: Uint8Array,
  where: string,
  options: ReadingOptions,
): { offered: OfferedProduct[]; totals: Totals; unnamed: string[]; fields: Untyped; names: Set<string> } {
  const reading: Reading = { products: 0, versions: 0, unnamed: [] };
  try {
    const { fields, place } = readFrame(bytes);
    if (text(fields, 'format', where) !== 'products:1.0') {
      throw new HeadwaterError('invalid', `${where}: its format is not products:1.0`);
    }
    const offered: OfferedProduct[] = [];
    const names = new Set<string>();
    for (const { name, start, end } of place === undefined ? [] : jsonMembers(bytes, place)) {
      names.add(name);
      const value = parse(bytes, start, end);
      const product = attempt(name, value, fields, `${where}: ${name}`, options, reading);
      if (product !== undefined) offered.push(product);
    }
    const { unnamed, ...totals } = reading;
    return { offered, totals, unnamed, fields, names };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new HeadwaterError('invalid', `${where}: not JSON: ${jsonProblem(error)}`, { cause: error });
  }
}

/** The document's own fields, and where its products begin. */
function readFrame(bytes: Uint8Array): { fields: Untyped; place: number | undefined } {
  const fields: Untyped = {};
  let place: number | undefined;
  const members = jsonMembers(bytes);
  for (let step = members.next(); ; step = members.next()) {
    if (step.done) {
      assertEnd(bytes, step.value);
      return { fields, place };
    }
    const { name, start, end } = step.value;
    if (name === 'products') place = start;
    else fields[name] = parse(bytes, start, end);
  }
}

function attempt(
  name: string,
  value: unknown,
  top: Untyped,
  where: string,
  options: ReadingOptions,
  reading: Reading,
): OfferedProduct | undefined {
  try {
    return readProduct(name, mapping(value, where), top, where, options, reading);
  } catch (error) {
    if (!(error instanceof HeadwaterError)) throw error;
    options.skips.add('the product is not understood', error.message);
    return undefined;
  }
}

function readProduct(
  name: string,
  fields: Untyped,
  top: Untyped,
  where: string,
  options: ReadingOptions,
  reading: Reading,
): OfferedProduct | undefined {
  const key = readKey(name, fields, where, options.variant);
  const { said, warnings } = readDetails(fields, key, where, { lenient: true });
  for (const warning of warnings) options.skips.add('a field of a product is left out', warning);
  const product: OfferedProduct = { name, key, details: said, versions: [] };
  reading.products += 1;
  const versions = Object.entries(mapping(fields['versions'], where));
  const names = versions.map(([versionName]) => versionName).filter(isVersionName);
  const serials = assignSerials(names, knownSerials(options.held?.(productName(key)) ?? [], names));
  let isUnnamed = false;
  for (const [versionName, value] of versions) {
    const at = `${where} ${versionName.slice(0, 100)}`;
    const serial = serials.get(versionName);
    try {
      const version = readVersion(versionName, serial ?? '', value, at, { ...options, serials });
      if (version === undefined) continue;
      if (serial !== undefined) reading.versions += 1;
      const selected = options.select({ top, product: fields, key }, mapping(value, at), version);
      if (selected === undefined) continue;
      if (serial === undefined) isUnnamed = true;
      else product.versions.push(labelled(selected));
    } catch (error) {
      if (!(error instanceof HeadwaterError)) throw error;
      options.skips.add('the version is not understood', error.message);
    } finally {
      if (serial === undefined) options.skips.add(unnamedReason(versionName), at);
    }
  }
  product.versions.sort((one, other) => (one.serial < other.serial ? -1 : 1));
  if (product.versions.length > 0) return product;
  if (isUnnamed) reading.unnamed.push(name);
  return undefined;
}

function unnamedReason(name: string): string {
  return isVersionName(name)
    ? 'there is no free minute between the serials of its neighbours'
    : "the version's name has no date and time";
}

/** A version whose name says more than its serial has the name for a label, where the upstream gives it none. */
function labelled(version: OfferedVersion): OfferedVersion {
  const { name, serial, label } = version;
  const isExact = serialFromUpstream(name) === serial && !saysSeconds(name);
  return label !== undefined || isExact ? version : { ...version, label: name };
}

function saysSeconds(name: string): boolean {
  return (readSerial(name)?.second ?? 0) > 0;
}

/** Which product is meant. What its name says counts only where it is made of the same parts as ours. */
function readKey(name: string, fields: Untyped, where: string, otherwise: string): ProductKey {
  const parts = name.split(':');
  const [, nameRelease, nameArchitecture, nameVariant] = parts;
  const release = text(fields, 'release', where) ?? '';
  const architecture = text(fields, 'arch', where) ?? '';
  const isOurs = parts.length === 4 && nameRelease === release && nameArchitecture === architecture;
  const variant = text(fields, 'variant', where) ?? (isOurs ? nameVariant : undefined) ?? otherwise;
  const os = text(fields, 'distro', where) ?? text(fields, 'os', where) ?? (isOurs ? parts[0] : undefined);
  const words = (given: string) => given.trim().replaceAll(/ +/g, '-');
  try {
    return {
      os: parseNamePart('os', words(os ?? '')),
      release: parseNamePart('release', words(release)),
      architecture: parseArchitecture(architecture),
      variant: parseNamePart('variant', words(variant)),
    };
  } catch (error) {
    throw new HeadwaterError('invalid', `${where}: ${messageOf(error)}`, { cause: error });
  }
}
