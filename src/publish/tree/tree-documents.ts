import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { HeadwaterError, jsonProblem, messageOf } from '../../errors.ts';
import { badLink, follow, isWithin, leadsOut } from '../../files/symbolic-links.ts';
import { fileFailure, readSmallFile } from '../../files/text-file.ts';
import { defined } from '../../model/defined.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import { knownFtypes } from '../../model/item-types.ts';
import { type ProductKey, parseSerial } from '../../model/names.ts';
import { mapping, text, type Untyped } from '../../simplestreams/read/fields.ts';
import { type DocumentDetails, readDetails, readProductKey } from '../../simplestreams/read/product.ts';
import type { Candidate } from './build-files.ts';
import type { TreeFailure } from './tree-walk.ts';

/** A file as a document names it. */
interface DocumentFile extends Candidate {
  /** Below the tree's directory; unique in the version. */
  name: string;
  digest: Digest;
  /** Bytes. */
  size?: number;
}

/** A version as a document names it. */
export interface DocumentVersion {
  /** What messages call it: the document, the product and the version. */
  path: string;
  product: ProductKey;
  /** `YYYYMMDD_HHMM` */
  serial: string;
  label?: string;
  details: DocumentDetails;
  files: DocumentFile[];
  /** Whether it has deltas, which are not published. */
  deltas: boolean;
}

/** What the simplestreams documents of a tree say. */
export interface TreeDocuments {
  /** The documents that were read or should have been. */
  paths: string[];
  versions: DocumentVersion[];
  failures: TreeFailure[];
}

// A document of 100,000 versions with deltas has 75 MB.
const largestDocument = 256 * 1024 * 1024;

/** Where the first document of a tree is. */
export function indexOf(root: string): string {
  return join(root, 'streams/v1/index.json');
}

/**
 * Reads the simplestreams documents of a tree: `streams/v1/index.json` and those that it names. What is wrong in
 * one product or version is a failure of that one.
 * @returns no paths when there is no index
 */
export async function readTreeDocuments(root: string): Promise<TreeDocuments> {
  const documents: TreeDocuments = { paths: [], versions: [], failures: [] };
  const path = indexOf(root);
  const attempt = async (where: string, action: () => void | Promise<void>): Promise<void> => {
    try {
      await action();
    } catch (error) {
      documents.failures.push({ path: where, error: fileFailure(where, error) });
    }
  };
  await attempt(path, async () => {
    if ((await follow(path)) === undefined) return;
    const within = await realpath(root);
    documents.paths.push(path);
    const index = await readJson(path, within);
    const named = new Set<string>();
    for (const [name, value] of Object.entries(mapping(index['index'], `${path}: index`))) {
      const where = `${path}: index.${shown(name)}`;
      const entry = mapping(value, where);
      if (text(entry, 'datatype', where) === 'image-downloads') named.add(pathOf(entry, where));
    }
    for (const document of [...named].map((name) => join(root, name))) {
      documents.paths.push(document);
      await attempt(document, async () =>
        readProducts(await readJson(document, within), document, documents),
      );
    }
  });
  return documents;
}

async function readJson(path: string, within: string): Promise<Untyped> {
  const target = await follow(path);
  if (target !== undefined && !isWithin(target.path, within)) throw badLink(path, leadsOut(within));
  const content = await readSmallFile(path, largestDocument);
  try {
    return mapping(JSON.parse(content), path);
  } catch (error) {
    if (error instanceof HeadwaterError) throw error;
    throw new HeadwaterError('invalid', `${path}: not JSON: ${jsonProblem(error)}`, { cause: error });
  }
}

function readProducts(document: Untyped, path: string, documents: TreeDocuments): void {
  for (const [name, value] of Object.entries(mapping(document['products'], `${path}: products`))) {
    const where = `${path}: ${shown(name)}`;
    const failed = (error: unknown, at: string) =>
      documents.failures.push({ path: at, error: fileFailure(at, error) });
    try {
      const fields = mapping(value, where);
      const product = readProductKey(name, fields, where);
      const details = readDetails(fields, product, where);
      const versions = Object.entries(mapping(fields['versions'], `${where}.versions`));
      for (const [versionName, version] of versions.sort(([a], [b]) => (a < b ? -1 : 1))) {
        const at = `${where} ${shown(versionName)}`;
        try {
          documents.versions.push({ path: at, product, details, ...readVersion(versionName, version, at) });
        } catch (error) {
          failed(error, at);
        }
      }
    } catch (error) {
      failed(error, where);
    }
  }
}

function readVersion(
  name: string,
  value: unknown,
  where: string,
): Pick<DocumentVersion, 'serial' | 'label' | 'files' | 'deltas'> {
  const fields = mapping(value, where);
  const label = text(fields, 'label', where);
  const files: DocumentFile[] = [];
  let deltas = false;
  for (const [key, item] of Object.entries(mapping(fields['items'], `${where}.items`))) {
    const at = `${where}.items.${shown(key)}`;
    const entry = mapping(item, at);
    const ftype = text(entry, 'ftype', at) ?? '';
    deltas ||= ftype.endsWith('.vcdiff');
    const rank = knownFtypes.findIndex((known) => known.ftype === ftype);
    const role = knownFtypes[rank]?.type;
    if (role === undefined || role === 'squashfs.vcdiff') continue;
    files.push({ ...readFile(entry, at), role, rank });
  }
  return { serial: serialAt(name, where), ...defined({ label }), files, deltas };
}

function readFile(entry: Untyped, where: string): Pick<DocumentFile, 'name' | 'digest' | 'size'> {
  const size = entry['size'];
  if (size !== undefined && !(Number.isSafeInteger(size) && Number(size) >= 0)) {
    throw new HeadwaterError('invalid', `${where}.size: expected a number of bytes`);
  }
  const name = pathOf(entry, where);
  try {
    const digest = parseDigest(text(entry, 'sha256', where) ?? '');
    return { name, digest, ...(size === undefined ? {} : { size: Number(size) }) };
  } catch (error) {
    throw new HeadwaterError('invalid', `${where}.sha256: ${messageOf(error)}`, { cause: error });
  }
}

function serialAt(name: string, where: string): string {
  try {
    return parseSerial(name);
  } catch (error) {
    throw new HeadwaterError('invalid', `${where}: ${messageOf(error)}`, { cause: error });
  }
}

/** A path below the tree. Clients join it to the server's address, so a leading slash changes nothing. */
function pathOf(entry: Untyped, where: string): string {
  const path = text(entry, 'path', where) ?? '';
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.length === 0 || parts.includes('..') || /[\0-\x1f]/.test(path)) {
    throw new HeadwaterError(
      'invalid',
      `${where}.path: ${JSON.stringify(path)}: expected a path inside the tree, without ".."`,
    );
  }
  return parts.join('/');
}

/** A key of a document in a message: quoted when it is none that a builder would write. */
function shown(key: string): string {
  return /^[\w.:+~-]{1,200}$/.test(key) ? key : JSON.stringify(key.slice(0, 200));
}
