import type { BlobStat, BlobStore } from '../../blobs/blob-store.ts';
import { isUnreadable } from '../../blobs/damaged-blob.ts';
import { HeadwaterError, isKind, messageOf } from '../../errors.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import { confirmOwnership } from '../store-owner.ts';
import { checkFingerprints, readImages, type WrongFingerprint } from './fingerprints.ts';
import type { VerifyServices } from './verify-services.ts';

/** A version that has a file. */
export interface NamedIn {
  stream: string;
  product: string;
  serial: string;
  owner: string;
}

/** A blob that is not what it should be. */
export interface LostBlob {
  digest: Digest;
  /** Bytes that it should have. */
  size: number;
  state: 'missing' | 'damaged';
  /** What is wrong, in words. */
  problem: string;
  /** The versions that have it, also those that were removed and are still fetchable. */
  versions: NamedIn[];
}

/** What a check found. */
export interface VerifyReport {
  /** Blobs that should be in the store, and their bytes. */
  blobs: number;
  bytes: number;
  lost: LostBlob[];
  fingerprints: WrongFingerprint[];
}

export interface VerifyOptions {
  /** Read all bytes, and compute the fingerprints of images; otherwise only look whether blobs are there, with their sizes. */
  read: boolean;
  /**
   * Set damaged blobs aside, so that nobody gets wrong bytes, and list images under the fingerprint that their bytes have.
   * Also remembers the fingerprints that are right.
   */
  repair: boolean;
  /** Called as bytes are read, and after each blob. May throw to stop. */
  onProgress?: (progress: { done: number; total: number }) => void;
  /** Told of each finding at once. */
  onLost?: (blob: LostBlob) => void;
  onWrongFingerprint?: (image: WrongFingerprint) => void;
}

/** How many blobs are looked up in the catalog at a time. */
const batchSize = 500;

/** How often a blob is read that is written again meanwhile. */
const maxAttempts = 3;

/**
 * Checks everything that is held: every blob that the catalog knows or a version names, unless it is only listed on
 * demand. Safe beside running servers.
 * @throws HeadwaterError `conflict` when a store shall be repaired that the catalog does not own; what the store fails with
 */
export async function verifyHeld(services: VerifyServices, options: VerifyOptions): Promise<VerifyReport> {
  const { catalog, store } = services;
  if (options.repair) {
    const ownership = await confirmOwnership(catalog, store);
    if (!ownership.owned) throw new HeadwaterError('conflict', ownership.message);
  }
  const report: VerifyReport = { blobs: 0, bytes: 0, lost: [], fingerprints: [] };
  const total = (await catalog.size()).bytes;
  const onBytes = (done: number) => options.onProgress?.({ done: report.bytes + done, total });
  let after = '';
  for (;;) {
    const batch = await catalog.blobs.held({ after }, batchSize);
    for (const { digest, size } of batch) {
      const found = await checkBlob(services, { digest: parseDigest(digest), size }, options, onBytes);
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
    }
    const last = batch.at(-1);
    if (last === undefined || batch.length < batchSize) return report;
    after = last.digest;
  }
}

interface Held {
  digest: Digest;
  size: number;
}

interface Found {
  lost?: LostBlob;
  fingerprints: WrongFingerprint[];
}

async function checkBlob(
  services: VerifyServices,
  blob: Held,
  options: VerifyOptions,
  onBytes: (done: number) => void,
): Promise<Found> {
  const { catalog, store } = services;
  for (let attempt = 1; ; attempt++) {
    const stat = await statOf(store, blob.digest);
    const { problem, fingerprints } = await problemOf(services, blob, stat, options, onBytes);
    if (problem === undefined) return { fingerprints };
    // It may have been collected or written again meanwhile.
    if ((await catalog.blobs.held({ digest: blob.digest }, 1)).length === 0) return { fingerprints: [] };
    const now = await store.stat(blob.digest);
    if (attempt < maxAttempts && now?.modified.getTime() !== stat?.modified.getTime()) continue;
    const state = stat === undefined ? 'missing' : 'damaged';
    const lost = { ...blob, state, problem, versions: await catalog.blobs.namedIn(blob.digest) } as const;
    if (options.repair) {
      await catalog.blobs.lose(blob.digest, problem, async () => {
        if (now !== undefined) await store.setAside(blob.digest, 'damaged');
      });
    }
    return { lost, fingerprints: [] };
  }
}

/** A blob that was set aside though the catalog names it comes back, as it does when it is asked for. */
async function statOf(store: BlobStore, digest: Digest): Promise<BlobStat | undefined> {
  const found = await store.stat(digest);
  if (found !== undefined || !(await store.bringBack(digest))) return found;
  return await store.stat(digest);
}

/** @returns what is wrong with a blob; else which images are listed under a wrong fingerprint of which it is the root */
async function problemOf(
  services: VerifyServices,
  { digest, size }: Held,
  stat: BlobStat | undefined,
  options: VerifyOptions,
  onBytes: (done: number) => void,
): Promise<{ problem?: string; fingerprints: WrongFingerprint[] }> {
  const fingerprints: WrongFingerprint[] = [];
  if (stat === undefined) return { problem: 'it is missing in the store', fingerprints };
  if (stat.size !== size) {
    return { problem: `it has ${stat.size} bytes in the store instead of ${size}`, fingerprints };
  }
  if (!options.read) return { fingerprints };
  try {
    const images = await readImages(services, digest, onBytes);
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
