import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { list, mapping, text, type Untyped } from './fields.ts';
import { upstreamPath } from './path.ts';
import { shown } from './products-document.ts';
import { readUpdated } from './updated.ts';

/** A products document that an index names. */
export interface IndexEntry {
  /** Its key, which is the `content_id` of the document. */
  contentId: string;
  path: string;
  /** The products that it should have, by their names upstream. */
  products: string[];
  /** The time of its last change, according to the index. */
  updated?: Date;
}

/** The documents in an index. */
export interface Index {
  entries: IndexEntry[];
  /** Unusable entries, with the reasons. */
  unusable: HeadwaterError[];
  /** The field `updated`, as it stands there. */
  updated?: unknown;
}

/**
 * Reads an index: the products documents of images. Other documents (image ids of clouds) are skipped, as by clients.
 * @param document what the JSON of the index holds
 * @throws HeadwaterError `invalid` when it is no index
 */
export function readIndex(document: unknown, where: string): Index {
  const top = mapping(document, where);
  if (text(top, 'format', where) !== 'index:1.0') {
    throw new HeadwaterError('invalid', `${where}: its format is not index:1.0`);
  }
  return readIndexEntries(top, where, { readPath: upstreamPath, emptyToo: false });
}

interface EntryOptions {
  /** Checks a path, and gives it without what changes nothing. */
  readPath: (path: string, where: string) => string;
  /** Whether entries that name no products count. */
  emptyToo: boolean;
}

/**
 * Reads which products documents of images an index names.
 * @throws HeadwaterError `invalid` when it is no index
 */
export function readIndexEntries(index: Untyped, where: string, options: EntryOptions): Index {
  const entries = new Map<string, IndexEntry>();
  const unusable: HeadwaterError[] = [];
  for (const [name, value] of Object.entries(mapping(index['index'], `${where}: index`))) {
    try {
      const entry = readEntry(name, value, `${where}: index.${shown(name)}`, options);
      if (entry !== undefined) entries.set(entry.path, entry);
    } catch (error) {
      if (!(error instanceof HeadwaterError)) throw error;
      unusable.push(error);
    }
  }
  return { entries: [...entries.values()], unusable, updated: index['updated'] };
}

/** @returns undefined when it has no images. @throws HeadwaterError `invalid` */
function readEntry(
  contentId: string,
  value: unknown,
  where: string,
  options: EntryOptions,
): IndexEntry | undefined {
  const fields = mapping(value, where);
  if (fields['datatype'] !== 'image-downloads') return undefined;
  const products = list(fields['products'], `${where}.products`).filter(
    (product) => typeof product === 'string',
  );
  if (products.length === 0 && !options.emptyToo) return undefined;
  const path = options.readPath(text(fields, 'path', where) ?? '', `${where}.path`);
  const updated = readUpdated(fields['updated']);
  return { contentId, path, products, ...defined({ updated }) };
}
