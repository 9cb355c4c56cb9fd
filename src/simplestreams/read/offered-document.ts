import { HeadwaterError } from '../../errors.ts';
import { compareText } from '../../model/compare.ts';
import { type ProductKey, productName, readSerial } from '../../model/names.ts';
import { text, type Untyped } from './fields.ts';
import type { OfferedProduct, OfferedVersion, Skips } from './offered.ts';
import { readOfferedVersion } from './offered-version.ts';
import { readDetails } from './product.ts';
import { type ListedProduct, readProducts } from './products-document.ts';
import { assignSerials, type HeldName, isVersionName, knownSerials, serialFromUpstream } from './serial.ts';

/** The context of a version in a document. */
export interface Surroundings {
  /** The document's own fields. */
  top: Untyped;
  product: Untyped;
  /** The name of the product in the document. */
  name: string;
  key: ProductKey;
}

/** Selects the files of a version: returns the version, perhaps with fewer files, or undefined. */
export type VersionFilter = (
  around: Surroundings,
  versionFields: Untyped,
  version: OfferedVersion,
) => OfferedVersion | undefined;

/** Options for reading the products document of an upstream. */
interface ReadingOptions {
  select: VersionFilter;
  /** Given to products that have none. */
  variant: string;
  deltas: boolean;
  skips: Skips;
  /** The held versions of a product, by its local name: their serials stay. */
  held?: (product: string) => readonly HeldName[];
}

/** The content of a products document, selected or not. */
export interface Totals {
  products: number;
  /** Those that can be used. */
  versions: number;
}

/** The offers of an upstream's products document. */
export interface Offer {
  /** The products with selected files. */
  offered: OfferedProduct[];
  totals: Totals;
  /** Products of which something is selected and nothing can be taken, for what its versions are called. */
  unnamed: string[];
  /** The document's own fields. */
  fields: Untyped;
  /** Of its products, usable or not. */
  names: Set<string>;
}

/**
 * Reads a products document of an upstream, as tolerantly as clients do: unusable entries are skipped and counted, and
 * all others are used.
 * @param bytes the document, as JSON
 * @param where what messages call it
 * @throws HeadwaterError `invalid` when it is no products document at all
 */
export function readOffer(bytes: Uint8Array, where: string, options: ReadingOptions): Offer {
  const { fields, products } = readProducts(bytes, where, { variant: options.variant });
  if (text(fields, 'format', where) !== 'products:1.0') {
    throw new HeadwaterError('invalid', `${where}: its format is not products:1.0`);
  }
  const offer: Offer = {
    offered: [],
    totals: { products: 0, versions: 0 },
    unnamed: [],
    fields,
    names: new Set(),
  };
  const listed = products(({ name }, error) => {
    offer.names.add(name);
    options.skips.add('the product is not understood', error.message);
  });
  for (const product of listed) {
    offer.names.add(product.name);
    const taken = readOfferedProduct(product, offer, options);
    if (taken !== undefined) offer.offered.push(taken);
  }
  return offer;
}

function readOfferedProduct(
  { name, key, fields, where, versions }: ListedProduct,
  offer: Offer,
  options: ReadingOptions,
): OfferedProduct | undefined {
  const { said, warnings } = readDetails(fields, key, where, { lenient: true });
  for (const warning of warnings) options.skips.add('a field of a product is left out', warning);
  const product: OfferedProduct = { name, key, details: said, versions: [] };
  offer.totals.products += 1;
  const names = versions.map((version) => version.name).filter(isVersionName);
  const serials = assignSerials(names, knownSerials(options.held?.(productName(key)) ?? [], names));
  let isUnnamed = false;
  for (const listed of versions) {
    const serial = serials.get(listed.name);
    if (serial === undefined) options.skips.add(unnamedReason(listed.name), listed.where);
    try {
      const read = readOfferedVersion(listed, serial ?? '', { ...options, serials });
      if (read === undefined) continue;
      if (serial !== undefined) offer.totals.versions += 1;
      const around = { top: offer.fields, product: fields, name, key };
      const selected = options.select(around, read.content.fields, read.version);
      if (selected === undefined) continue;
      if (serial === undefined) isUnnamed = true;
      else product.versions.push(labelled(selected));
    } catch (error) {
      if (!(error instanceof HeadwaterError)) throw error;
      options.skips.add('the version is not understood', error.message);
    }
  }
  product.versions.sort((one, other) => compareText(one.serial, other.serial));
  if (product.versions.length > 0) return product;
  if (isUnnamed) offer.unnamed.push(name);
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
