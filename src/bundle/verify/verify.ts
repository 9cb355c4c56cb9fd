import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { isKind } from '../../errors.ts';
import { openFile } from '../../files/open-file.ts';
import { bundleFiles } from '../files.ts';
import { contentOf, sizeOfVolumes, streamContent } from '../format/content.ts';
import { bundleName, volumeName } from '../format/manifest.ts';
import type { CarriedBlob, Manifest } from '../format/manifest-schema.ts';
import { PassingBlobs } from '../format/passing-blobs.ts';
import { BlockReader } from '../format/read-blocks.ts';
import { readStream, readVolume } from '../format/read-volume.ts';
import { parseSums } from '../format/sums.ts';
import { packManifest } from '../format/volume-bytes.ts';
import { withHashThread } from '../hashing/hash-thread.ts';
import {
  type CheckSignature,
  checkHead,
  headOf,
  type OpenBundle,
  openBundle,
  readSmall,
} from './open-bundle.ts';

/** What a bundle was found to be. */
export interface BundleReport {
  bundle: OpenBundle;
  /** Volumes that are damaged or missing, with what is wrong. */
  volumes: { number: number; name: string; isMissing: boolean; problems: string[] }[];
  /** What is wrong beside the volumes. */
  problems: string[];
  /** Blobs that are carried and cannot be used. */
  lost: CarriedBlob[];
  /** Versions that need a lost blob: `STREAM/PRODUCT SERIAL`. */
  incomplete: string[];
}

/** Whether nothing is wrong. @param among only with these volumes; with all when left out */
export function isWhole({ volumes, problems, lost }: BundleReport, among?: readonly number[]): boolean {
  if (among !== undefined)
    return problems.length === 0 && !volumes.some(({ number }) => among.includes(number));
  return volumes.length === 0 && problems.length === 0 && lost.length === 0;
}

/**
 * Reads every byte of a bundle in a directory.
 * @param options.onBytes told how many more bytes of volumes were read
 * @param options.onSize told how many bytes all volumes have, before the first is read
 * @param options.volumes only these volumes are read
 * @throws HeadwaterError when the manifest is missing, not signed by a key that is trusted, or wrong
 */
export async function verifyDirectory(
  directory: string,
  check: CheckSignature,
  options: {
    onBytes?: (count: number) => void;
    onSize?: (bytes: number) => void;
    volumes?: readonly number[];
  } = {},
): Promise<BundleReport> {
  const { onBytes = () => undefined, onSize } = options;
  const bundle = await openBundle(directory, check);
  const { content, manifest, signature } = bundle;
  const { sums, problems } = await readSums(directory, check);
  const head = { manifest: packManifest(manifest), signature };
  const blobs = new PassingBlobs();
  onSize?.(sizeOfVolumes(content, head).reduce((sum, size) => sum + size, 0));
  const volumes: BundleReport['volumes'] = [];
  await withHashThread(async (thread) => {
    for (let number = 1; number <= content.volumes.count; number++) {
      if (options.volumes?.includes(number) === false) continue;
      const name = volumeName(bundleName(content), number);
      const source = await openVolume(join(directory, name));
      if (source === undefined) {
        volumes.push({ number, name, isMissing: true, problems: ['it is missing'] });
        continue;
      }
      const digest = async () => await thread.digest();
      const expected = { ...contentOf(content, head, number), manifest, signature, digest };
      const found = await readVolume(thread.pass(counted(source, onBytes)), expected, blobs);
      const sum = sums.get(name);
      // A blob that is cut is wrong in its last volume, wherever the damage is.
      if (sum === found.sha256) continue;
      const problems =
        sum === undefined ? found.problems : [...found.problems, 'its SHA-256 is not that in SHA256SUMS'];
      if (problems.length > 0) volumes.push({ number, name, isMissing: false, problems });
    }
  });
  problems.push(...(await wrongFiles(directory, sums)));
  return { bundle, volumes, problems, ...losses(content, blobs) };
}

/** Compares the files beside the volumes with SHA256SUMS. @returns what is wrong */
async function wrongFiles(directory: string, sums: ReadonlyMap<string, string>): Promise<string[]> {
  const problems: string[] = [];
  for (const [name, sum] of sums) {
    if (/\.\d{4}\.tar$/.test(name)) continue;
    const source = await openVolume(join(directory, name));
    if (source === undefined) {
      problems.push(`${name} is missing`);
      continue;
    }
    const hash = createHash('sha256');
    for await (const chunk of source) hash.update(chunk);
    if (hash.digest('hex') !== sum) problems.push(`${name}: its SHA-256 is not that in SHA256SUMS`);
  }
  return problems;
}

/**
 * Reads every byte of a bundle that comes as a stream. The signature is checked before its first blob.
 * @throws HeadwaterError as {@link verifyDirectory}
 */
export async function verifyStream(
  source: AsyncIterable<Uint8Array>,
  where: string,
  check: CheckSignature,
): Promise<BundleReport> {
  const reader = new BlockReader(source);
  try {
    const bundle = await checkHead(await headOf(reader, where), where, check);
    const { content, manifest, signature } = bundle;
    const blobs = new PassingBlobs();
    const expected = streamContent(content, { manifest, signature }, manifest);
    const problems = await readStream(reader, expected, blobs);
    return { bundle, volumes: [], problems, ...losses(content, blobs) };
  } finally {
    await reader.close();
  }
}

function losses(manifest: Manifest, blobs: PassingBlobs): Pick<BundleReport, 'lost' | 'incomplete'> {
  const lost = manifest.carried.filter((blob) => !blobs.isGood(blob));
  const digests = new Set(lost.map(({ digest }) => digest));
  const incomplete = manifest.versions.filter(({ items }) => items.some(({ digest }) => digests.has(digest)));
  return {
    lost,
    incomplete: incomplete.map(({ stream, product, serial }) => `${stream}/${product} ${serial}`),
  };
}

/** The sums of the files. They come last when a bundle is written, so without them it is not finished. */
async function readSums(
  directory: string,
  check: CheckSignature,
): Promise<{ sums: Map<string, string>; problems: string[] }> {
  const path = join(directory, bundleFiles.sums);
  try {
    const bytes = await readSmall(path);
    await check(bytes, await readSmall(join(directory, bundleFiles.sumsSignature)), path);
    return { sums: parseSums(bytes.toString()), problems: [] };
  } catch (error) {
    if (!isKind(error, 'not-found', 'invalid')) throw error;
    const problem = error.kind === 'not-found' ? `${error.message}: it is written last` : error.message;
    return { sums: new Map(), problems: [problem] };
  }
}

async function openVolume(path: string): Promise<AsyncIterable<Uint8Array> | undefined> {
  try {
    return (await openFile(path)).bytes;
  } catch (error) {
    if (isKind(error, 'not-found')) return undefined;
    throw error;
  }
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  onBytes: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    onBytes(chunk.length);
    yield chunk;
  }
}
