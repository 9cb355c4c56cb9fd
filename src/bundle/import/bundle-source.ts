import { join } from 'node:path';
import { isKind, messageOf } from '../../errors.ts';
import { openFile } from '../../files/open-file.ts';
import { contentOf, streamContent } from '../format/content.ts';
import { bundleName, volumeName } from '../format/manifest.ts';
import type { CarriedBlob } from '../format/manifest-schema.ts';
import type { ReadsMembers } from '../format/passing-blobs.ts';
import { BlockReader } from '../format/read-blocks.ts';
import { readHead, readStream, readVolume } from '../format/read-volume.ts';
import { packManifest } from '../format/volume-bytes.ts';
import { type CheckSignature, checkHead, type OpenBundle, openBundle } from '../verify/open-bundle.ts';

/** A volume in which something is wrong, or a stream. */
export interface VolumeProblem {
  number: number;
  name: string;
  isMissing: boolean;
  problems: string[];
}

/** How a bundle is read. */
interface ReadingOptions {
  /** Whether a blob is wanted: volumes without one are not read. */
  isWanted: (blob: CarriedBlob) => boolean;
  /** Told how many more bytes were read. */
  onBytes?: (count: number) => void;
  /** Called behind each volume that was read. */
  onVolume?: () => Promise<void>;
}

/** A bundle whose manifest is known to be what its site signed, and its bytes. */
export interface BundleSource {
  bundle: OpenBundle;
  /** The bundle in messages. */
  where: string;
  /** Whether it is one archive without a limit. */
  isStream: boolean;
  /**
   * Passes the blobs of the bundle on. Reads on after damage.
   * @returns what is wrong with volumes
   * @throws the errors of `blobs`
   */
  read(blobs: ReadsMembers, options: ReadingOptions): Promise<VolumeProblem[]>;
  close(): Promise<void>;
}

/** A volume, or a stream, that cannot be read to its end. */
class Unreadable extends Error {}

/**
 * Opens the directory of a bundle. Nothing is written there.
 * @throws HeadwaterError `not-found` when it is none, `invalid` when the signature or the manifest is not good
 */
export async function openDirectory(directory: string, check: CheckSignature): Promise<BundleSource> {
  const bundle = await openBundle(directory, check);
  return {
    ...{ bundle, where: directory, isStream: false },
    read: async (blobs, options) => await readDirectory(directory, bundle, blobs, options),
    close: async () => undefined,
  };
}

/**
 * Opens a bundle that comes as a stream: reads its head.
 * @param where the stream in messages
 * @throws HeadwaterError as {@link openDirectory}
 */
export async function openStream(
  source: AsyncIterable<Uint8Array>,
  where: string,
  check: CheckSignature,
): Promise<BundleSource> {
  let onBytes = (_: number): void => undefined;
  const reader = new BlockReader(readable(source), ({ length }) => onBytes(length));
  try {
    const bundle = await checkHead(await readHead(reader), where, check);
    return {
      ...{ bundle, where, isStream: true },
      read: async (blobs, options) => {
        const { content, manifest, signature } = bundle;
        onBytes = options.onBytes ?? onBytes;
        const expected = streamContent(content, { manifest, signature }, manifest);
        const problems = await unlessUnreadable(() => readStream(reader, expected, blobs));
        await options.onVolume?.();
        return problems.length === 0 ? [] : [{ number: 1, name: where, isMissing: false, problems }];
      },
      close: async () => await reader.close(),
    };
  } catch (error) {
    await reader.close();
    throw error;
  }
}

async function readDirectory(
  directory: string,
  { content, manifest, signature }: OpenBundle,
  blobs: ReadsMembers,
  { isWanted, onBytes, onVolume }: ReadingOptions,
): Promise<VolumeProblem[]> {
  const head = { manifest: packManifest(manifest), signature };
  const found: VolumeProblem[] = [];
  for (let number = 1; number <= content.volumes.count; number++) {
    const expected = { ...contentOf(content, head, number), manifest, signature };
    if (!expected.members.some(({ blob }) => isWanted(blob))) continue;
    const name = volumeName(bundleName(content), number);
    const source = await openVolume(join(directory, name));
    if (source === undefined) {
      found.push({ number, name, isMissing: true, problems: ['it is missing'] });
      continue;
    }
    const problems = await unlessUnreadable(
      async () => (await readVolume(counted(readable(source), onBytes), expected, blobs)).problems,
    );
    if (problems.length > 0) found.push({ number, name, isMissing: false, problems });
    await onVolume?.();
  }
  return found;
}

async function openVolume(path: string): Promise<AsyncIterable<Uint8Array> | undefined> {
  try {
    return (await openFile(path)).bytes;
  } catch (error) {
    if (isKind(error, 'not-found')) return undefined;
    throw error;
  }
}

/** Tells errors of a medium from those of the receiver of its bytes. */
async function* readable(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* source;
  } catch (error) {
    throw new Unreadable(messageOf(error), { cause: error });
  }
}

/** @returns what is wrong, also if the medium fails */
async function unlessUnreadable(read: () => Promise<string[]>): Promise<string[]> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return [`it cannot be read: ${error.message}`];
  }
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  onBytes: (count: number) => void = () => undefined,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    onBytes(chunk.length);
    yield chunk;
  }
}
