import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { demand, type Need } from '../support/needs.ts';

/** Runs a real tool and gives what it writes to its standard output. Where it is missing, the test is skipped. */
export function tool(name: Need | 'tar' | 'gzip', args: string[], input?: Uint8Array): Buffer {
  if (name !== 'tar' && name !== 'gzip') demand(name);
  if (args.includes('--xz')) demand('xz');
  const { error, status, stdout, stderr } = spawnSync(name, args, { input, maxBuffer: 256 * 1024 * 1024 });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${name} ${args.join(' ')} failed: ${stderr}`);
  return stdout;
}

/** A directory that is removed when the returned function is called. */
export function scratch(): { directory: string; remove: () => void } {
  const directory = mkdtempSync(path.join(tmpdir(), 'headwater-image-'));
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/** Packers by the compression they make, each as the tool of that name does it. */
export const packers = {
  none: (bytes: Uint8Array) => Buffer.from(bytes),
  gzip: (bytes: Uint8Array) => tool('gzip', ['-n', '-c'], bytes),
  xz: (bytes: Uint8Array) => tool('xz', ['-c', '-1'], bytes),
  zstd: (bytes: Uint8Array) => tool('zstd', ['-q', '-c'], bytes),
  bzip2: (bytes: Uint8Array) => tool('bzip2', ['-c'], bytes),
  lzma: (bytes: Uint8Array) => tool('xz', ['-c', '-1', '--format=lzma'], bytes),
};
export const compressions = ['none', 'gzip', 'xz', 'zstd', 'bzip2'] as const;
