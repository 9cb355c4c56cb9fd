import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { HeadwaterError, jsonProblem, messageOf } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { badLink, follow, isWithin, leadsOut } from '../../files/symbolic-links.ts';
import { readSmallFile } from '../../files/text-file.ts';
import { compareText } from '../../model/compare.ts';
import { defined } from '../../model/defined.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import { knownFtypes } from '../../model/item-types.ts';
import { type ProductKey, parseSerial } from '../../model/names.ts';
import { mapping, text, type Untyped } from '../../simplestreams/read/fields.ts';
import { readIndexEntries } from '../../simplestreams/read/index-document.ts';
import { type DocumentDetails, readDetails } from '../../simplestreams/read/product.ts';
import { type ListedVersion, readProducts } from '../../simplestreams/read/products-document.ts';
import {
  announcedFingerprint,
  type ListedItem,
  readFile,
  readVersion,
} from '../../simplestreams/read/version.ts';
import type { Candidate } from './build-files.ts';
import type { TreeFailure } from './tree-walk.ts';

/** A file in a document. */
interface DocumentFile extends Candidate {
  /** Below the tree's directory; unique in the version. */
  name: string;
  digest: Digest;
  /** Bytes. */
  size?: number;
  /** For metadata: the announced fingerprints of its images, by the names of the roots. */
  fingerprints?: ReadonlyMap<string, Digest>;
}

/** A version in a document. */
export interface DocumentVersion {
  /** Its name in messages: the document, the product and the version. */
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

/** The content of the simplestreams documents of a tree. */
export interface TreeDocuments {
  /** The documents that were read or should have been. */
  paths: string[];
  versions: DocumentVersion[];
  failures: TreeFailure[];
}

// A document of 100,000 versions with deltas has 75 MB.
const maxDocumentSize = 256 * 1024 * 1024;

/** The path of the first document of a tree. */
export function indexOf(root: string): string {
  return join(root, 'streams/v1/index.json');
}

/**
 * Reads the simplestreams documents of a tree: `streams/v1/index.json` and those that it names. A fault in one product
 * or version is a failure of that one only.
 * @returns no paths when there is no index
 */
export async function readTreeDocuments(root: string): Promise<TreeDocuments> {
  const documents: TreeDocuments = { paths: [], versions: [], failures: [] };
  const path = indexOf(root);
  const attempt = async (where: string, action: () => void | Promise<void>): Promise<void> => {
    try {
      await action();
    } catch (error) {
      documents.failures.push({
        path: where,
        error: fileError(error, { path: where, doing: 'read', isInput: true }),
      });
    }
  };
  await attempt(path, async () => {
    if ((await follow(path)) === undefined) return;
    const within = await realpath(root);
    documents.paths.push(path);
    const { entries, unusable } = readIndexEntries(readJson(await readText(path, within), path), path, {
      readPath: treePath,
      emptyToo: true,
    });
    for (const error of unusable) documents.failures.push({ path, error });
    for (const document of entries.map((entry) => join(root, entry.path))) {
      documents.paths.push(document);
      await attempt(document, async () =>
        readVersions(await readText(document, within), document, documents),
      );
    }
  });
  return documents;
}

async function readText(path: string, within: string): Promise<string> {
  const target = await follow(path);
  if (target !== undefined && !isWithin(target.path, within)) throw badLink(path, leadsOut(within));
  return await readSmallFile(path, maxDocumentSize);
}

function readJson(content: string, path: string): Untyped {
  try {
    return mapping(JSON.parse(content), path);
  } catch (error) {
    if (error instanceof HeadwaterError) throw error;
    throw new HeadwaterError('invalid', `${path}: not JSON: ${jsonProblem(error)}`, { cause: error });
  }
}

/** Reads the versions of a document. A fault in one of them, or in a product, is a failure of that one only. */
function readVersions(content: string, path: string, documents: TreeDocuments): void {
  const versions: DocumentVersion[] = [];
  const failures: TreeFailure[] = [];
  const attempt = (where: string, action: () => void): void => {
    try {
      action();
    } catch (error) {
      failures.push({ path: where, error: fileError(error, { path: where, doing: 'read', isInput: true }) });
    }
  };
  const { products } = readProducts(Buffer.from(content), path, { osFromName: true });
  for (const product of products(({ where }, error) => failures.push({ path: where, error }))) {
    attempt(product.where, () => {
      const details = readDetails(product.fields, product.key, product.where);
      for (const listed of product.versions.toSorted((one, other) => compareText(one.name, other.name))) {
        attempt(listed.where, () => {
          versions.push({ path: listed.where, product: product.key, details, ...readFiles(listed) });
        });
      }
    });
  }
  documents.versions.push(...versions);
  documents.failures.push(...failures);
}

function readFiles(listed: ListedVersion): Pick<DocumentVersion, 'serial' | 'label' | 'files' | 'deltas'> {
  const { label, items } = readVersion(listed, (error) => {
    throw error;
  });
  return {
    serial: serialAt(listed),
    ...defined({ label }),
    files: readCandidates(items),
    deltas: items.some(({ ftype }) => ftype.endsWith('.vcdiff')),
  };
}

/** The files of items that may belong to a version. */
function readCandidates(items: readonly ListedItem[]): DocumentFile[] {
  const files = items.flatMap((item) => {
    const { ftype, type, where } = item;
    if (type === undefined || type === 'squashfs.vcdiff') return [];
    const { path, size } = readFile(item, treePath);
    const digest = digestAt(item.fields, where);
    const rank = knownFtypes.findIndex((known) => known.ftype === ftype);
    return [{ item, file: { name: path, digest, ...defined({ size }), role: type, rank } }];
  });
  return files.map(({ item: { type, fields }, file }) => {
    if (type !== 'metadata') return file;
    const fingerprints = new Map<string, Digest>();
    for (const { file: root } of files) {
      const fingerprint = announcedFingerprint(fields, knownFtypes[root.rank]?.fingerprintFields ?? []);
      if (fingerprint !== undefined) fingerprints.set(root.name, fingerprint);
    }
    return { ...file, fingerprints };
  });
}

/** The announced fingerprints of the images among chosen files, by the names of the roots. */
export function fingerprintsOf(
  files: readonly DocumentFile[],
  chosen: readonly string[],
): ReadonlyMap<string, Digest> {
  const metadata = files.find(({ name, role }) => role === 'metadata' && chosen.includes(name));
  return metadata?.fingerprints ?? new Map();
}

function digestAt(fields: Untyped, where: string): Digest {
  try {
    return parseDigest(text(fields, 'sha256', where) ?? '');
  } catch (error) {
    throw new HeadwaterError('invalid', `${where}.sha256: ${messageOf(error)}`, { cause: error });
  }
}

function serialAt({ name, where }: ListedVersion): string {
  try {
    return parseSerial(name);
  } catch (error) {
    throw new HeadwaterError('invalid', `${where}: ${messageOf(error)}`, { cause: error });
  }
}

/** A path below the tree. Clients join it to the server's address, so a leading slash changes nothing. */
function treePath(path: string, where: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.length === 0 || parts.includes('..') || /[\0-\x1f]/.test(path)) {
    throw new HeadwaterError(
      'invalid',
      `${where}: ${JSON.stringify(path)}: expected a path inside the tree, without ".."`,
    );
  }
  return parts.join('/');
}
