import { createHash } from 'node:crypto';
import { mkdir, rename, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WrittenBundle } from '../../catalog/bundles/bundles.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import { HeadwaterError } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { entriesOf, removeFile, statOf, syncDirectory } from '../../files/file-system.ts';
import { openFile } from '../../files/open-file.ts';
import { parseDigest } from '../../model/digest.ts';
import { bundleFiles } from '../files.ts';
import { contentOf, sizeOfVolumes } from '../format/content.ts';
import { bundleName, identityOf, parseManifest, renderManifest, volumeName } from '../format/manifest.ts';
import type { Manifest } from '../format/manifest-schema.ts';
import type { BlobMember } from '../format/members.ts';
import { PassingBlobs } from '../format/passing-blobs.ts';
import { renderSums } from '../format/sums.ts';
import { volumeBytes, volumeSize } from '../format/volume-bytes.ts';
import { withHashThread } from '../hashing/hash-thread.ts';
import { documentReader } from './documents.ts';
import { type BlobReader, partsOf, readPart } from './parts.ts';
import { signatureRoom } from './plan.ts';
import type { ProgramFile } from './program-file.ts';
import { readmeOf } from './readme.ts';
import { writeVolume } from './write-volume.ts';

/** What writing a bundle needs. */
export interface BundleServices {
  catalog: Catalog;
  store: BlobReader;
  /** @returns a detached signature, armored */
  sign: (bytes: Uint8Array) => Promise<string>;
}

/** A bundle on a medium. */
export interface CreatedBundle {
  directory: string;
  manifest: Manifest;
  /** Volumes that a killed process had finished. */
  reused: number;
}

/**
 * Begins a bundle: signs its manifest and records it in the ledger.
 * @param manifest as planned
 * @param repeated the digests (`sha256:…`) that it carries although a previous bundle carried them
 */
export async function beginBundle(
  manifest: Manifest,
  { catalog, sign }: BundleServices,
  repeated: ReadonlySet<string> = new Set(),
): Promise<WrittenBundle> {
  const bytes = renderManifest(manifest);
  const signature = await sign(bytes);
  if (signature.length > signatureRoom) throw new Error('a signature without room in the volumes');
  const bundle = {
    ...{ to: manifest.to, sequence: manifest.sequence, identity: identityOf(bytes) },
    ...{ manifest: bytes.toString(), signature, label: manifest.label ?? null },
    ...{ bytes: manifest.volumes.bytes, volumeCount: manifest.volumes.count },
    createdAt: new Date(manifest.created),
  };
  const carried = manifest.carried.map(({ digest }) => parseDigest(digest));
  await catalog.bundles.begin({
    ...{ ...bundle, carried },
    documents: (manifest.documents ?? []).map(({ sha256 }) => sha256),
    repeated: new Set([...repeated].map(parseDigest)),
  });
  return { ...bundle, finishedAt: undefined, acknowledgedAt: undefined };
}

/**
 * Writes a bundle into a directory of its own. Volumes that an earlier attempt finished are read and kept, so that at most one
 * volume is written twice. `SHA256SUMS` comes last: it marks a bundle as whole.
 * @param output the directory in which to make that of the bundle
 * @param options.volumes only these volumes; all when left out
 * @param options.program a package of the program to put beside the volumes
 * @param options.onBytes told how many more bytes were written
 * @param options.onSize told how many bytes all volumes have, before the first is written
 * @throws HeadwaterError `conflict` when the directory has another bundle, `invalid` when the store has wrong bytes, `no-space`
 */
export async function writeBundle(
  bundle: WrittenBundle,
  output: string,
  services: BundleServices,
  options: {
    volumes?: readonly number[];
    program?: ProgramFile;
    onBytes?: (count: number) => void;
    onSize?: (bytes: number) => void;
  } = {},
): Promise<CreatedBundle> {
  const { bytes, manifest, head } = partsOf(bundle);
  const name = bundleName(manifest);
  const directory = join(output, name);
  const isWanted = (volume: number) => options.volumes?.includes(volume) ?? true;
  await openDirectory(directory, bytes);
  const sizes = sizeOfVolumes(manifest, head).filter((_, index) => isWanted(index + 1));
  const { program } = options;
  const total = sizes.reduce((sum, size) => sum + size, program?.size ?? 0);
  options.onSize?.(total);
  await assertRoom(directory, total);
  const blobs = new PassingBlobs();
  const read = (member: BlobMember) => readPart(services.store, member);
  const readDocument = documentReader(services.catalog, services.store);
  const sums = new Map<string, string>();
  let reused = 0;
  await withHashThread(async (thread) => {
    for (let volume = 1; volume <= manifest.volumes.count; volume++) {
      const content = contentOf(manifest, head, volume);
      const file = volumeName(name, volume);
      const path = join(directory, file);
      const source = () => volumeBytes(content, blobs, read, readDocument);
      const finished = await sumOfFinished(path, volumeSize(content), source);
      if (finished !== undefined && isWanted(volume)) reused += 1;
      if (finished === undefined && !isWanted(volume)) {
        await passCutBlobs(content.members, blobs, services.store);
        continue;
      }
      sums.set(file, finished ?? (await writeVolume(path, source(), thread, options.onBytes)));
    }
    if (program !== undefined) {
      const { bytes: content } = await openFile(program.path);
      sums.set(
        program.name,
        await writeVolume(join(directory, program.name), content, thread, options.onBytes),
      );
    }
  });
  await writeSmallFiles(directory, { bytes, signature: head.signature, sums, program }, services);
  return { directory, manifest, reused };
}

/** Reads the pieces in a volume that is not written: those of the next one can be judged only behind them. */
async function passCutBlobs(
  members: readonly BlobMember[],
  blobs: PassingBlobs,
  store: BlobReader,
): Promise<void> {
  for (const member of members) {
    if (member.blob.pieces === undefined) continue;
    for await (const _ of blobs.pass(member, await readPart(store, member)));
  }
}

/** @throws HeadwaterError `no-space` when a medium has not enough room for what is not written yet */
async function assertRoom(directory: string, total: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  let written = 0;
  for (const { name } of await entriesOf(directory)) {
    if (name.endsWith('.tar')) written += (await statOf(join(directory, name)))?.size ?? 0;
  }
  const missing = total - written - bavail * bsize;
  if (missing <= 0) return;
  throw new HeadwaterError(
    'no-space',
    `${directory}: the bundle needs ${missing} bytes more than are free: use a larger medium, or select fewer versions`,
  );
}

/** Makes the directory of a bundle, or takes up the one of an earlier attempt at the same bundle. */
async function openDirectory(directory: string, manifest: Buffer): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
    const path = join(directory, bundleFiles.manifest);
    const entries = await entriesOf(directory);
    const partial = entries.filter(({ name }) => name.endsWith('.partial'));
    // A process that was killed at once may have left nothing else.
    const isNew = partial.length === entries.length;
    if (!isNew && !(await isSame(path, manifest))) {
      throw new HeadwaterError(
        'conflict',
        `${directory}: contains another bundle or other files: choose another directory, or remove it`,
      );
    }
    for (const { name } of partial) await removeFile(join(directory, name));
    if (isNew) await writeWhole(path, manifest);
  } catch (error) {
    throw fileError(error, { path: directory, doing: 'create', isInput: true });
  }
}

async function isSame(path: string, bytes: Buffer): Promise<boolean> {
  const found = await statOf(path);
  if (found?.isFile() !== true || found.size !== bytes.length) return false;
  const parts: Buffer[] = [];
  for await (const chunk of (await openFile(path)).bytes) parts.push(Buffer.from(chunk));
  return Buffer.concat(parts).equals(bytes);
}

/**
 * Compares a volume on the medium with what it must have. Its own bytes do not tell: a piece of a blob has no digest.
 * @returns its SHA-256; undefined when it must be written
 */
async function sumOfFinished(
  path: string,
  size: number,
  source: () => AsyncIterable<Uint8Array>,
): Promise<string | undefined> {
  const found = await statOf(path);
  if (found?.isFile() !== true || found.size !== size) return undefined;
  const [expected, actual] = [await sha256Of(source()), await sha256Of((await openFile(path)).bytes)];
  return actual === expected ? actual : undefined;
}

async function sha256Of(source: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of source) hash.update(chunk);
  return hash.digest('hex');
}

async function writeSmallFiles(
  directory: string,
  {
    bytes,
    signature,
    sums,
    program,
  }: { bytes: Buffer; signature: Uint8Array; sums: Map<string, string>; program: ProgramFile | undefined },
  { sign }: BundleServices,
): Promise<void> {
  const small = new Map<string, Uint8Array>([
    [bundleFiles.manifest, bytes],
    [bundleFiles.signature, signature],
    [bundleFiles.readme, Buffer.from(readmeOf(parseManifest(bytes, directory), program?.name))],
  ]);
  for (const [name, content] of small) {
    await writeWhole(join(directory, name), content);
    sums.set(name, identityOf(content));
  }
  const text = Buffer.from(renderSums(sums));
  await writeWhole(join(directory, bundleFiles.sumsSignature), Buffer.from(await sign(text)));
  await writeWhole(join(directory, bundleFiles.sums), text);
  await syncDirectory(directory);
}

/** Writes a small file under another name first. */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeFile(`${path}.partial`, bytes, { flush: true });
    await rename(`${path}.partial`, path);
  } catch (error) {
    throw fileError(error, { path, doing: 'write', isInput: true });
  }
}
