import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HeadwaterError } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { bundleFiles } from '../files.ts';
import { identityOf, maxManifestSize, parseManifest } from '../format/manifest.ts';
import type { Manifest } from '../format/manifest-schema.ts';
import type { SignedManifest } from '../format/read-volume.ts';

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
  const signature = await readSmall(join(directory, bundleFiles.signature), maxSmallSize);
  return await checkHead({ manifest, signature }, path, check);
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
