import { readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { HeadwaterError } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { badLink, follow, isWithin, leadsOut } from '../../files/symbolic-links.ts';
import { defined } from '../../model/defined.ts';
import type { ProductKey } from '../../model/names.ts';
import type { DocumentDetails } from '../../simplestreams/read/product.ts';
import type { PublishRequest, SourceFile } from '../request.ts';
import { readBuildDirectory } from './build-directory.ts';
import { chooseFiles, incomplete } from './build-files.ts';
import { type DocumentVersion, fingerprintsOf, type TreeDocuments } from './tree-documents.ts';
import { type TreeFailure, type VersionDirectory, walkTree } from './tree-walk.ts';

/** A version of a tree that can be published. */
export interface FoundRequest {
  /** Its name in messages: its directory, or the document, product and version. */
  path: string;
  request: PublishRequest;
  /** Warnings, such as omitted files. */
  warnings: string[];
}

/** A version of a tree whose files have not been checked yet. */
export interface TreeVersion {
  /** As {@link FoundRequest.path}; unique in its tree. */
  path: string;
  product: ProductKey;
  serial: string;
  /** The current paths of its files. */
  listFiles(): Promise<string[]>;
  /** @throws HeadwaterError `invalid` when it is not a complete version */
  read(): Promise<FoundRequest>;
}

/**
 * The versions of a tree, without checking their files.
 * @param onDirectory called with each directory above the versions
 */
export async function* treeVersions(
  root: string,
  documents: TreeDocuments,
  onDirectory?: (path: string) => void,
): AsyncGenerator<TreeVersion | TreeFailure> {
  const start = resolve(root);
  const described = describe(start, documents);
  const found = new Set<DocumentVersion>();
  const walk = walkTree(start, onDirectory);
  // Once the walk yields anything, the directory is known to exist.
  let step = await walk.next();
  const within = await realpath(start).catch((error: unknown) => {
    throw fileError(error, { path: root, doing: 'list', isInput: true });
  });
  yield* documents.failures;
  for (; !step.done; step = await walk.next()) {
    const named = described.versions.get(step.value.path);
    if ('error' in step.value) {
      // If the documents name the files, a directory may have any name.
      if (named === undefined) yield step.value;
      continue;
    }
    if (named !== undefined) found.add(named);
    const details = named?.details ?? described.products.get(dirname(step.value.path));
    yield inDirectory(step.value, within, named, details);
  }
  for (const version of documents.versions) {
    if (!found.has(version)) yield inDocument(version, start, within);
  }
}

interface Described {
  /** By the directory that holds all files of the version. */
  versions: Map<string, DocumentVersion>;
  /** By the directory that holds the versions of the product. */
  products: Map<string, DocumentDetails>;
}

function describe(root: string, documents: TreeDocuments): Described {
  const described: Described = { versions: new Map(), products: new Map() };
  const shared = new Set<string>();
  for (const version of documents.versions) {
    const [directory, ...others] = new Set(version.files.map(({ name }) => dirname(join(root, name))));
    if (directory === undefined || others.length > 0) continue;
    if (described.versions.has(directory)) shared.add(directory);
    described.versions.set(directory, version);
    described.products.set(dirname(directory), version.details);
  }
  for (const directory of shared) {
    described.versions.delete(directory);
    described.products.delete(dirname(directory));
  }
  return described;
}

function inDirectory(
  { path, product, serial }: VersionDirectory,
  within: string,
  named: DocumentVersion | undefined,
  details: DocumentDetails | undefined,
): TreeVersion {
  const files = named?.files ?? [];
  const digests = new Map(files.map(({ name, digest }) => [basename(name), digest]));
  const folder = dirname(files[0]?.name ?? '');
  const fingerprints = (chosen: readonly string[]) => {
    const announced = fingerprintsOf(
      files,
      chosen.map((name) => join(folder, name)),
    );
    return new Map([...announced].map(([name, fingerprint]) => [basename(name), fingerprint]));
  };
  return {
    path,
    product,
    serial,
    async listFiles() {
      return (await readdir(path)).map((name) => join(path, name));
    },
    async read() {
      const { request, warnings } = await readBuildDirectory(path, {
        product,
        inPlace: true,
        within,
        digests,
        fingerprints,
      });
      // Details of the product from before this version was announced only fill in what its own files leave out.
      const said = named === undefined ? { ...details?.said, ...request } : { ...request, ...details?.said };
      const label = named?.label === undefined ? {} : { label: named.label };
      return {
        path,
        request: { ...said, ...label, serial },
        warnings: [...warnings, ...(details?.warnings ?? [])],
      };
    },
  };
}

function inDocument(version: DocumentVersion, root: string, within: string): TreeVersion {
  const { path, product, serial, details, label } = version;
  return {
    path,
    product,
    serial,
    listFiles: async () => version.files.map(({ name }) => join(root, name)),
    async read() {
      const byName = new Map(version.files.map((file) => [file.name, file]));
      const { chosen, warnings } = await chooseFiles(
        version.files,
        path,
        async (one, other) => byName.get(one.name)?.digest === byName.get(other.name)?.digest,
      );
      const files: SourceFile[] = [];
      const fingerprints = fingerprintsOf(version.files, chosen);
      for (const name of chosen) {
        const file = byName.get(name);
        await checkNamedFile(join(root, name), within, file?.size, path);
        files.push({
          from: 'disk',
          name,
          path: join(root, name),
          inPlace: true,
          ...defined({ expectedDigest: file?.digest, expectedFingerprint: fingerprints.get(name) }),
        });
      }
      return {
        path,
        request: { files, ...product, ...details.said, ...defined({ label }), serial },
        warnings: [
          ...warnings,
          ...(version.deltas ? ['deltas (*.vcdiff) were left out'] : []),
          ...details.warnings,
        ],
      };
    },
  };
}

async function checkNamedFile(
  path: string,
  within: string,
  size: number | undefined,
  where: string,
): Promise<void> {
  const target = await follow(path);
  if (target === undefined) throw incomplete(where, `${path} is not there`);
  if (!isWithin(target.path, within)) throw badLink(path, leadsOut(within));
  if (!target.stats.isFile()) throw new HeadwaterError('invalid', `${where}: ${path} is not a regular file`);
  if (size !== undefined && target.stats.size !== size) {
    throw incomplete(where, `${path} has ${target.stats.size} bytes, not ${size}`);
  }
}
