import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HeadwaterError, isKind } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { bundleFiles } from '../files.ts';
import { identityOf, maxManifestSize, parseManifest } from '../format/manifest.ts';
import type { Manifest } from '../format/manifest-schema.ts';
import { BlockReader } from '../format/read-blocks.ts';
import { readHead, type SignedManifest } from '../format/read-volume.ts';

/**
 * Checks a detached signature.
 * @param where the signed file in messages
 * @returns who signed, for people; undefined when signatures are not checked
 * @throws HeadwaterError `invalid`
 */
export type CheckSignature = (
  bytes: Uint8Array,
  signature: Uint8Array,
  where: string,
) => Promise<string | undefined>;

/** A bundle whose manifest is known to be what its site signed. */
export interface OpenBundle extends SignedManifest {
  /** `bundle.json`, read. */
  content: Manifest;
  /** The SHA-256 of `bundle.json`. */
  identity: string;
  signedBy: string | undefined;
}

/** Bytes of the small files beside a manifest. */
const maxSmallSize = 16 * 1024 * 1024;

/**
 * Opens the directory of a bundle: reads and checks its manifest, and nothing else.
 * @throws HeadwaterError `not-found` when it is none, `invalid` when the signature or the manifest is not good
 */
export async function openBundle(directory: string, check: CheckSignature): Promise<OpenBundle> {
  const path = join(directory, bundleFiles.manifest);
  const manifest = await readSmall(path, maxManifestSize);
  const signature = await readSmall(join(directory, bundleFiles.signature), maxSmallSize).catch(
    (error: unknown) => {
      if (!isKind(error, 'not-found')) throw error;
      throw new HeadwaterError('invalid', `${path}: refused: it is not signed: ${error.message}`, {
        cause: error,
      });
    },
  );
  return await checkHead({ manifest, signature }, path, check);
}

/**
 * Opens a bundle that comes as a stream: reads and checks its manifest, and nothing behind it.
 * @throws HeadwaterError as {@link openBundle}
 */
export async function openStream(
  source: AsyncIterable<Uint8Array>,
  where: string,
  check: CheckSignature,
): Promise<OpenBundle> {
  const reader = new BlockReader(source);
  try {
    return await checkHead(await headOf(reader, where), where, check);
  } finally {
    await reader.close();
  }
}

/** Reads the head of a stream. @throws HeadwaterError `invalid`, naming the stream, when it is no bundle */
export async function headOf(reader: BlockReader, where: string): Promise<SignedManifest> {
  try {
    return await readHead(reader);
  } catch (error) {
    if (!isKind(error, 'invalid')) throw error;
    throw new HeadwaterError('invalid', `${where}: ${error.message}`, { cause: error });
  }
}

/** Checks the signature of a manifest and reads it. */
export async function checkHead(
  { manifest, signature }: SignedManifest,
  where: string,
  check: CheckSignature,
): Promise<OpenBundle> {
  const signedBy = await check(manifest, signature, where);
  return {
    ...{ manifest, signature, signedBy },
    content: parseManifest(manifest, where),
    identity: identityOf(manifest),
  };
}

/**
 * Reads a small file of a bundle.
 * @throws HeadwaterError `not-found`, `invalid` when it is larger than it may be
 */
export async function readSmall(path: string, most = maxSmallSize): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size > most) throw new HeadwaterError('invalid', `${path}: has more than ${most} bytes`);
    const handle = await open(path);
    try {
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(error, { path, doing: 'read', isInput: true });
  }
}
