import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { codeOf } from '../../errors.ts';

/**
 * Makes the directory of a new file, where it is missing, and waits until the disk has its name and those above it: after a
 * power failure everything in a directory whose name is lost would be lost, too.
 */
export function makeDirectoryOf(file: string): void {
  const directory = dirname(resolve(file));
  const first = mkdirSync(directory, { recursive: true, mode: 0o700 });
  // Another process may have made it a moment ago and not have synced it yet.
  if (first === undefined && existsSync(file)) return;
  const highest = dirname(first ?? directory);
  for (let path = dirname(directory); ; path = dirname(path)) {
    syncDirectory(path);
    if (path === highest || path === dirname(path)) return;
  }
}

function syncDirectory(path: string): void {
  let handle: number;
  try {
    handle = openSync(path, 'r');
  } catch (error) {
    // A directory that cannot be read is not ours: another user created its entries before.
    if (codeOf(error) === 'EACCES') return;
    throw error;
  }
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
