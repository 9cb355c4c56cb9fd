import { HeadwaterError } from '../errors.ts';
import { list, mapping, text } from '../publish/untyped-fields.ts';
import { upstreamPath } from './upstream-path.ts';

/** A products document that an index names. */
export interface IndexEntry {
  path: string;
  /** The products it should have, by what the upstream calls them. */
  products: string[];
  /** When it was last changed, as the index says. */
  updated?: Date;
}

/**
 * Reads an index: which products documents of images there are. Documents of other things (image ids of clouds) are
 * passed over, as clients do.
 * @param document what the JSON of the index holds
 * @throws HeadwaterError `invalid` when it is no index
 */
export function readIndex(document: unknown, where: string): IndexEntry[] {
  const top = mapping(document, where);
  if (text(top, 'format', where) !== 'index:1.0') {
    throw new HeadwaterError('invalid', `${where}: its format is not index:1.0`);
  }
  const entries = new Map<string, IndexEntry>();
  for (const [name, value] of Object.entries(mapping(top['index'], `${where}: index`))) {
    const at = `${where}: index.${name}`;
    const fields = mapping(value, at);
    if (text(fields, 'datatype', at) !== 'image-downloads') continue;
    const products = list(fields['products'], `${at}.products`).filter(
      (product) => typeof product === 'string',
    );
    if (products.length === 0) continue;
    const path = upstreamPath(text(fields, 'path', at) ?? '', `${at}.path`);
    const updated = dateOf(fields['updated']);
    entries.set(path, { path, products, ...(updated === undefined ? {} : { updated }) });
  }
  return [...entries.values()];
}

/** The moment of a field `updated`: `Tue, 24 Nov 2026 08:11:02 +0000`. */
export function dateOf(value: unknown): Date | undefined {
  const date = typeof value === 'string' ? new Date(value) : undefined;
  return date === undefined || Number.isNaN(date.getTime()) ? undefined : date;
}
