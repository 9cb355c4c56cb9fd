import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../errors.ts';
import type { Digest } from '../model/digest.ts';
import { isAbandoned, processName } from './process-name.ts';

// What arrived of a file lies under the digest of the whole while nobody works on it. Who goes on with it renames it
// to a name that tells which process that is: of several only one succeeds, so no two ever write into one file.

/** A file of which something may have arrived, and which is this process's alone. */
export interface PartialFile {
  path: string;
  /** Bytes. */
  arrived: number;
}

/**
 * Takes over what an earlier fetch of a blob left, the largest part where there are several: what nobody works on, and
 * what belonged to a process that has ended.
 * @param most bytes of the whole: what is larger cannot be a part of it
 */
export async function claimPartial(directory: string, digest: Digest, most: number): Promise<PartialFile> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, `${digest}.${await processName()}`);
  for (const { name, size } of await leftOf(directory, digest)) {
    if (size <= most && (await take(join(directory, name), path))) return { path, arrived: size };
  }
  return { path, arrived: 0 };
}

/** Leaves a partial file to whoever goes on with it, unless somebody left more. */
export async function leavePartial(path: string, directory: string, digest: Digest): Promise<void> {
  const place = join(directory, digest);
  const [ours, there] = [await statIfAny(path), await statIfAny(place)];
  if (there !== undefined && there.size > (ours?.size ?? 0)) await rm(path, { force: true });
  else await renameIfAny(path, place);
}

/**
 * Removes partial files that nobody has written to or read since `before`; where a process is about to go on with
 * one, it has done either.
 */
export async function removeStalePartials(directory: string, before: Date): Promise<void> {
  for (const name of await readdirIfAny(directory)) {
    const path = join(directory, name);
    const found = await statIfAny(path);
    if (found?.isFile() !== true || found.mtime >= before || found.atime >= before) continue;
    await rm(path, { force: true });
  }
}

/** What is there of a blob and free to be taken, the largest first. */
async function leftOf(directory: string, digest: Digest): Promise<{ name: string; size: number }[]> {
  const left: { name: string; size: number }[] = [];
  for (const name of await readdirIfAny(directory)) {
    if (!name.startsWith(digest)) continue;
    const found = await statIfAny(join(directory, name));
    if (found === undefined) continue;
    const isFree = name === digest || (await isAbandoned(name.slice(digest.length + 1), found.mtime));
    if (isFree) left.push({ name, size: found.size });
  }
  return left.sort((one, other) => other.size - one.size);
}

/** @returns false when somebody else took it, or it was removed as stale */
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
