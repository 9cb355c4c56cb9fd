import type { BlobStat, BlobStore } from '../../blobs/blob-store.ts';
import { isUnreadable } from '../../blobs/damaged-blob.ts';
import { HeadwaterError, isKind, messageOf } from '../../errors.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import { confirmOwnership } from '../store-owner.ts';
import { checkFingerprints, readImages, type WrongFingerprint } from './fingerprints.ts';
import type { Reading, VerifyServices } from './verify-services.ts';

/** A version with a blob. */
export interface NamedIn {
  stream: string;
  product: string;
  serial: string;
  owner: string;
}

/** A missing or damaged blob. */
export interface LostBlob {
  digest: Digest;
  /** Its right size in bytes. */
  size: number;
  state: 'missing' | 'damaged';
  /** The reason, in words. */
  problem: string;
  /** The versions with the blob, including removed versions that are still fetchable. */
  versions: NamedIn[];
}

/** The result of a check. */
export interface VerifyReport {
  /** Blobs that should be in the store, and their bytes. */
  blobs: number;
  bytes: number;
  lost: LostBlob[];
  fingerprints: WrongFingerprint[];
}

export interface VerifyOptions extends Pick<Reading, 'pace'> {
  /** Read all bytes, and compute the fingerprints of images; otherwise only look whether blobs are there, with their sizes. */
  read: boolean;
  /**
   * Set damaged blobs aside, so that no client gets wrong bytes, and list images under their computed fingerprints. Also
   * records the fingerprints that are right.
   */
  repair: boolean;
  /** Check only the blobs after this digest: they are checked in the order of their digests. */
  after?: string;
  /** Called after each blob, with its findings reported. May throw to stop. */
  onChecked?: (blob: Held) => Promise<void>;
  /** Called as bytes are read, and after each blob. May throw to stop. */
  onProgress?: (progress: { done: number; total: number }) => void;
  /** Receives each finding at once. */
  onLost?: (blob: LostBlob) => void;
  onWrongFingerprint?: (image: WrongFingerprint) => void;
}

/** How many blobs are looked up in the catalog at a time. */
const batchSize = 500;

/** How often a blob is read that is written again meanwhile. */
const maxAttempts = 3;

/**
 * Checks all stored blobs and the fingerprints of their images. Files that are only listed on demand are left out. Running
 * servers may use the store and the catalog meanwhile.
 * @throws HeadwaterError `conflict` for a repair of a store that the catalog does not own; the errors of the store
 */
export async function verifyHeld(services: VerifyServices, options: VerifyOptions): Promise<VerifyReport> {
  const { catalog } = services;
  if (options.repair) await assertOwned(services);
  const report: VerifyReport = { blobs: 0, bytes: 0, lost: [], fingerprints: [] };
  const total = (await catalog.size()).bytes;
  const onBytes = (done: number) => options.onProgress?.({ done: report.bytes + done, total });
  let after = options.after ?? '';
  for (;;) {
    const batch = await catalog.storage.held({ after }, batchSize);
    for (const { digest, size } of batch) {
      const blob = { digest: parseDigest(digest), size };
      const found = await checkBlob(services, blob, { ...options, onBytes });
      report.blobs += 1;
      report.bytes += size;
      onBytes(0);
      if (found.lost !== undefined) {
        report.lost.push(found.lost);
        options.onLost?.(found.lost);
      }
      for (const image of found.fingerprints) {
        report.fingerprints.push(image);
        options.onWrongFingerprint?.(image);
      }
      await options.onChecked?.(blob);
    }
    const last = batch.at(-1);
    if (last === undefined || batch.length < batchSize) return report;
    after = last.digest;
  }
}

/**
 * Reads one blob, and sets it aside if it is damaged.
 * @returns it, if it is lost; undefined also for a blob that need not be in the store
 * @throws HeadwaterError as {@link verifyHeld}
 */
export async function repairBlob(services: VerifyServices, digest: Digest): Promise<LostBlob | undefined> {
  return (await verifyBlob(services, digest, { read: true, repair: true })).lost;
}

/**
 * Checks one blob, as {@link verifyHeld} checks all.
 * @returns nothing for a blob that need not be in the store
 * @throws HeadwaterError as {@link verifyHeld}
 */
export async function verifyBlob(
  services: VerifyServices,
  digest: Digest,
  options: Pick<VerifyOptions, 'read' | 'repair'>,
): Promise<Found> {
  if (options.repair) await assertOwned(services);
  const [held] = await services.catalog.storage.held({ digest }, 1);
  if (held === undefined) return { fingerprints: [] };
  return await checkBlob(services, { digest, size: held.size }, options);
}

/** @throws HeadwaterError `conflict` for a store that the catalog does not own: an empty one, if no disk is mounted */
async function assertOwned({ catalog, store }: VerifyServices): Promise<void> {
  const ownership = await confirmOwnership(catalog, store);
  if (!ownership.owned) throw new HeadwaterError('conflict', ownership.message);
}

interface Held {
  digest: Digest;
  size: number;
}

type CheckOptions = Pick<VerifyOptions, 'read' | 'repair'> & Reading;

interface Found {
  lost?: LostBlob;
  fingerprints: WrongFingerprint[];
}

async function checkBlob(services: VerifyServices, blob: Held, options: CheckOptions): Promise<Found> {
  const { catalog, store } = services;
  for (let attempt = 1; ; attempt++) {
    const stat = await statOf(store, blob.digest);
    const { problem, fingerprints } = await problemOf(services, blob, stat, options);
    if (problem === undefined) return { fingerprints };
    // It may have been collected or written again meanwhile.
    if ((await catalog.storage.held({ digest: blob.digest }, 1)).length === 0) return { fingerprints: [] };
    const now = await store.stat(blob.digest);
    if (attempt < maxAttempts && now?.modified.getTime() !== stat?.modified.getTime()) continue;
    const state = stat === undefined ? 'missing' : 'damaged';
    const lost = {
      ...blob,
      state,
      problem,
      versions: await catalog.storage.versionsWith(blob.digest),
    } as const;
    if (options.repair) {
      // The disk may have gone since the check began.
      await assertOwned(services);
      await catalog.storage.loseBlob(lost, async () => {
        if (now !== undefined) await store.setAside(blob.digest, 'damaged');
      });
    }
    return { lost, fingerprints: [] };
  }
}

/** Restores a blob that was set aside although the catalog needs it, as a request for it does. */
async function statOf(store: BlobStore, digest: Digest): Promise<BlobStat | undefined> {
  const found = await store.stat(digest);
  if (found !== undefined || !(await store.bringBack(digest))) return found;
  return await store.stat(digest);
}

/** @returns why a blob is lost; otherwise the images with a wrong fingerprint whose root it is */
async function problemOf(
  services: VerifyServices,
  { digest, size }: Held,
  stat: BlobStat | undefined,
  options: CheckOptions,
): Promise<{ problem?: string; fingerprints: WrongFingerprint[] }> {
  const fingerprints: WrongFingerprint[] = [];
  if (stat === undefined) return { problem: 'it is missing in the store', fingerprints };
  if (stat.size !== size) {
    return { problem: `it has ${stat.size} bytes in the store instead of ${size}`, fingerprints };
  }
  if (!options.read) return { fingerprints };
  try {
    const images = await readImages(services, digest, options);
    if (images.digest !== digest) {
      return { problem: `the SHA-256 of its bytes is ${images.digest}`, fingerprints };
    }
    return { fingerprints: await checkFingerprints(services.catalog, images, options) };
  } catch (error) {
    if (isKind(error, 'not-found')) return { problem: 'it is missing in the store', fingerprints };
    if (isUnreadable(error)) return { problem: messageOf(error), fingerprints };
    throw error;
  }
}
