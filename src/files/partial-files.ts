import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../errors.ts';
import type { Digest } from '../model/digest.ts';
import { isAbandoned, processName } from './process-name.ts';

// A partial file has the digest of the whole file as its name while no process works on it. A process that resumes it renames
// it to a name of its own first: of several processes only one succeeds, so that two never write to one file.

/** A partial file that belongs to this process alone. */
export interface PartialFile {
  path: string;
  /** Bytes. */
  arrived: number;
}

/**
 * Takes over what an earlier fetch of a blob left: the largest partial file that is free, or whose process has ended.
 * @param maxSize bytes of the whole: what is larger cannot be a part of it
 */
export async function claimPartial(directory: string, digest: Digest, maxSize: number): Promise<PartialFile> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, `${digest}.${await processName()}`);
  for (const { name, size } of await leftOf(directory, digest)) {
    if (size <= maxSize && (await take(join(directory, name), path))) return { path, arrived: size };
  }
  return { path, arrived: 0 };
}

/** Leaves a partial file for the next fetch, unless a larger one is there already. */
export async function leavePartial(path: string, directory: string, digest: Digest): Promise<void> {
  const place = join(directory, digest);
  const [ours, there] = [await statIfAny(path), await statIfAny(place)];
  if (there !== undefined && there.size > (ours?.size ?? 0)) await rm(path, { force: true });
  else await renameIfAny(path, place);
}

/**
 * Removes partial files that were neither written nor read since `before`. A process that is about to resume one has
 * touched it.
 */
export async function removeStalePartials(directory: string, before: Date): Promise<void> {
  for (const name of await readdirIfAny(directory)) {
    const path = join(directory, name);
    const stats = await statIfAny(path);
    if (stats?.isFile() !== true || stats.mtime >= before || stats.atime >= before) continue;
    await rm(path, { force: true });
  }
}

/** The partial files of a blob that are free, the largest first. */
async function leftOf(directory: string, digest: Digest): Promise<{ name: string; size: number }[]> {
  const left: { name: string; size: number }[] = [];
  for (const name of await readdirIfAny(directory)) {
    if (!name.startsWith(digest)) continue;
    const stats = await statIfAny(join(directory, name));
    if (stats === undefined) continue;
    const isFree = name === digest || (await isAbandoned(name.slice(digest.length + 1), stats.mtime));
    if (isFree) left.push({ name, size: stats.size });
  }
  return left.sort((one, other) => other.size - one.size);
}

/** @returns false when another process took it, or removed it as stale */
async function take(from: string, to: string): Promise<boolean> {
  const now = new Date();
  try {
    // From here on it is no longer stale.
    await utimes(from, now, now);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
  return await renameIfAny(from, to);
}

async function renameIfAny(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

async function readdirIfAny(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function statIfAny(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
