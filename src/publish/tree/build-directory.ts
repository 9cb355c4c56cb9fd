import { createHash } from 'node:crypto';
import { createReadStream, type Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { HeadwaterError } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { checkLink } from '../../files/symbolic-links.ts';
import { readSmallFile } from '../../files/text-file.ts';
import { defined } from '../../model/defined.ts';
import type { Digest } from '../../model/digest.ts';
import type { ProductKey } from '../../model/names.ts';
import type { PublishRequest, SourceFile } from '../request.ts';
import {
  type Candidate,
  candidateOf,
  chooseFiles,
  incomplete,
  isPartial,
  leftOut,
  looksLikeImage,
} from './build-files.ts';
import { checksumsName, parseChecksums } from './checksums.ts';
import { type ImageYaml, imageYamlName, parseImageYaml } from './image-yaml.ts';
import { type ImageYamlFacts, imageYamlFacts } from './image-yaml-facts.ts';

/** A version to publish, and warnings, such as omitted files. */
export interface BuildDirectory {
  request: PublishRequest;
  warnings: string[];
}

export interface BuildDirectoryOptions {
  /**
   * The known fields of the product: from flags, or from the path in a tree. They become part of the request, and
   * decide which release aliases and requirements of image.yaml are meant.
   */
  product?: Partial<ProductKey>;
  /** Leave the files in place ({@link SourceFile}). */
  inPlace?: boolean;
  /** A directory, by its real path, that symbolic links must not leave. No restriction if omitted. */
  within?: string;
  /** Digests from another source, by name; those of SHA256SUMS override them. */
  digests?: ReadonlyMap<string, Digest>;
  /** The fingerprints that a document announces for the roots among chosen files, by the names of the roots. */
  fingerprints?: (chosen: readonly string[]) => ReadonlyMap<string, Digest>;
}

/**
 * Reads a directory that an image builder (distrobuilder, lxd-imagebuilder) wrote: one version's files, by their usual
 * names, their digests in SHA256SUMS, and the details of the product in image.yaml. Image bytes are not read, except to
 * compare two metadata tarballs.
 * @throws HeadwaterError `not-found`: no such directory; `invalid`: no image in it, an incomplete image, or a
 * SHA256SUMS or image.yaml that cannot be read
 */
export async function readBuildDirectory(
  path: string,
  options: BuildDirectoryOptions = {},
): Promise<BuildDirectory> {
  const entries = await listFiles(path);
  const names = [...entries.keys()];
  const partial = names.find(isPartial);
  if (partial !== undefined) throw incomplete(path, `${partial} is still being written, or was abandoned`);

  const readText = async (name: string): Promise<string | undefined> => {
    const entry = entries.get(name);
    if (entry === undefined) return undefined;
    await checkEntry(path, entry, options.within);
    return readSmallFile(join(path, name));
  };
  const sums = await readText(checksumsName);
  const checksums = sums === undefined ? undefined : parseChecksums(sums, join(path, checksumsName));
  for (const name of checksums?.keys() ?? []) {
    if ((looksLikeImage(name) || name === imageYamlName) && !entries.has(name)) {
      throw incomplete(path, `${checksumsName} names ${name}, which does not exist`);
    }
  }
  const digests = new Map([...(options.digests ?? []), ...(checksums ?? [])]);
  const candidates = names.map(candidateOf).filter((candidate) => candidate !== undefined);
  const choice = await chooseFiles(candidates, path, (one, other) => sameBytes(path, one, other, digests));
  const warnings = [...leftOut(names), ...choice.warnings];
  const files: SourceFile[] = [];
  const fingerprints = options.fingerprints?.(choice.chosen);
  for (const name of choice.chosen) {
    const entry = entries.get(name);
    if (entry !== undefined) await checkEntry(path, entry, options.within);
    const expectedDigest = digests.get(name);
    if (expectedDigest === undefined && checksums !== undefined) {
      warnings.push(`${name} is not named in ${checksumsName}: it was not checked`);
    }
    files.push({
      from: 'disk',
      name,
      path: join(path, name),
      ...defined({
        inPlace: options.inPlace,
        expectedDigest,
        expectedFingerprint: fingerprints?.get(name),
      }),
    });
  }
  const request = { files, ...options.product };
  const definition = await readText(imageYamlName);
  if (definition === undefined) return { request, warnings };
  const facts = readFacts(definition, path, options.product ?? {});
  return { request: { ...request, ...saidBy(facts) }, warnings: [...warnings, ...facts.warnings] };
}

/** The files of a directory by name, without those whose names start with a dot. */
async function listFiles(path: string): Promise<Map<string, Dirent>> {
  let entries: Dirent[];
  try {
    entries = await readdir(path, { withFileTypes: true });
  } catch (error) {
    throw fileError(error, { path, doing: 'list', isInput: true });
  }
  const files = entries.filter(
    (entry) => !entry.name.startsWith('.') && (entry.isFile() || entry.isSymbolicLink()),
  );
  return new Map(files.map((entry) => [entry.name, entry]));
}

async function checkEntry(directory: string, entry: Dirent, within: string | undefined): Promise<void> {
  if (entry.isSymbolicLink()) await checkLink(join(directory, entry.name), within);
}

async function sameBytes(
  directory: string,
  one: Candidate,
  other: Candidate,
  digests: ReadonlyMap<string, Digest>,
): Promise<boolean> {
  const known = [digests.get(one.name), digests.get(other.name)];
  if (known[0] !== undefined && known[1] !== undefined) return known[0] === known[1];
  // Metadata is small. Two roots are not compared: a warning names the one that is left out.
  if (one.role !== 'metadata') return false;
  const paths = [join(directory, one.name), join(directory, other.name)] as const;
  try {
    const sizes = [(await stat(paths[0])).size, (await stat(paths[1])).size];
    return sizes[0] === sizes[1] && (await hashOf(paths[0])) === (await hashOf(paths[1]));
  } catch (error) {
    throw fileError(error, { path: directory, doing: 'read', isInput: true });
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

// The versions of a tree mostly have the same definition, and reading one takes longer than the rest of this function.
let lastDefinition: { content: string; read: ImageYaml } | undefined;

function readFacts(content: string, directory: string, product: Partial<ProductKey>): ImageYamlFacts {
  try {
    if (lastDefinition?.content !== content) lastDefinition = { content, read: parseImageYaml(content) };
    return imageYamlFacts(lastDefinition.read, product);
  } catch (error) {
    throw error instanceof HeadwaterError ? error.within(directory, '/') : error;
  }
}

function saidBy({ osTitle, aliases, requirements }: ImageYamlFacts): Partial<PublishRequest> {
  return {
    ...defined({ osTitle }),
    ...(aliases.length === 0 ? {} : { aliases }),
    ...(Object.keys(requirements).length === 0 ? {} : { requirements }),
  };
}
