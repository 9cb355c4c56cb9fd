import { type ProductKey, parseNamePart } from '../catalog/names.ts';
import { HeadwaterError, jsonProblem, messageOf } from '../errors.ts';
import { parseArchitecture } from '../image/architecture.ts';
import { readDetails } from '../publish/document-details.ts';
import { mapping, text, type Untyped } from '../publish/untyped-fields.ts';
import { assertEnd, jsonMembers, parse } from './json-members.ts';
import type { OfferedProduct, Skips } from './offered.ts';
import type { Selection } from './selection.ts';
import { serialFromUpstream } from './serials.ts';
import { readVersion } from './version-items.ts';

/** How a products document is read. */
interface ReadingOptions {
  selection: Selection;
  /** Given to products that have none. */
  variant: string;
  deltas: boolean;
  skips: Skips;
}

/** What a products document has, selected or not. */
export interface Totals {
  products: number;
  /** Those that can be used. */
  versions: number;
}

/**
 * Reads a products document of an upstream, as tolerantly as clients do: what cannot be used is skipped and counted,
 * and everything else is taken.
 * @param bytes the document, as JSON
 * @param where the document in messages
 * @returns the products of which something is selected, what there is in all, and the document's own fields with the
 * names of its products
 * @throws HeadwaterError `invalid` when it is no products document at all
 */
export function readProducts(
  bytes: Uint8Array,
  where: string,
  options: ReadingOptions,
): { offered: OfferedProduct[]; totals: Totals; fields: Untyped; names: Set<string> } {
  const totals: Totals = { products: 0, versions: 0 };
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
      const product = attempt(name, value, fields, `${where}: ${name}`, options, totals);
      if (product !== undefined) offered.push(product);
    }
    return { offered, totals, fields, names };
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
  totals: Totals,
): OfferedProduct | undefined {
  try {
    return readProduct(name, mapping(value, where), top, where, options, totals);
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
  totals: Totals,
): OfferedProduct | undefined {
  const key = readKey(name, fields, where, options.variant);
  const { said, warnings } = readDetails(fields, key, where, { lenient: true });
  for (const warning of warnings) options.skips.add('a field of a product is left out', warning);
  const product: OfferedProduct = { name, key, details: said, versions: [] };
  const serials = new Map<string, string>();
  totals.products += 1;
  // In the order of their names, so that the same one wins whenever two have the same serial here.
  for (const [versionName, value] of Object.entries(mapping(fields['versions'], where)).sort(byName)) {
    const at = `${where} ${versionName}`;
    const serial = serialFromUpstream(versionName);
    if (serial === undefined) {
      options.skips.add("the version's name has no date and time", at);
      continue;
    }
    const other = serials.get(serial);
    if (other !== undefined) {
      options.skips.add(`the serial is the same as another's`, `${at} and ${other}: ${serial}`);
      continue;
    }
    serials.set(serial, versionName);
    try {
      const version = readVersion(versionName, serial, value, at, options);
      if (version === undefined) continue;
      totals.versions += 1;
      const selected = options.selection.apply({ top, product: fields, key }, mapping(value, at), version);
      if (selected !== undefined) product.versions.push(selected);
    } catch (error) {
      if (!(error instanceof HeadwaterError)) throw error;
      options.skips.add('the version is not understood', error.message);
    }
  }
  return product.versions.length === 0 ? undefined : product;
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

function byName([one]: [string, unknown], [other]: [string, unknown]): number {
  return one < other ? -1 : 1;
}
