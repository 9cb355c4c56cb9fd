import { createHash, randomBytes } from 'node:crypto';
import { cp, mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { Manifest } from '../../../../src/bundle/format/manifest-schema.ts';
import { type CommandResult, run } from '../../../support/command.ts';
import { headwater, program } from '../../command-line.ts';

export const mebibyte = 1024 * 1024;

/** A site that writes bundles: `data` has a key and a small image, `hq.gpg` its public key, `out` is a medium. */
interface BundleSite {
  directory: () => string;
  at: (...names: string[]) => string;
  /** `headwater bundle …` */
  bundle: (...args: string[]) => Promise<CommandResult>;
  /** `headwater bundle create --to vault-7 …`, which must succeed. @returns what it printed */
  create: (...args: string[]) => Promise<string>;
  /** Publishes a root filesystem with so many random bytes. */
  publish: (release: string, size: number, serial?: string) => Promise<void>;
  /** The manifest of a bundle on the medium. */
  manifestOf: (name: string) => Promise<Manifest>;
}

/** Gives each test of a file a copy of the same {@link BundleSite}. */
export function useBundleSite(): BundleSite {
  let prepared: string;
  let directory: string;
  const at = (...names: string[]) => join(directory, ...names);
  const bundle = async (...args: string[]) => await headwater(['bundle', ...args], { cwd: directory });
  const publish = async (release: string, size: number, serial = '20260101_0000') => {
    await mkdir(at('root/sbin'), { recursive: true });
    await mkdir(at('root/etc'), { recursive: true });
    await writeFile(at('root/etc/os-release'), 'ID=debian\nVERSION_CODENAME=x\n');
    await writeFile(at('root/sbin/init'), '#!/bin/sh\n', { mode: 0o755 });
    await writeFile(at('root/data'), randomBytes(size));
    await run('tar', ['-C', at('root'), '--owner=0', '--group=0', '-cf', at('root.tar'), '.']);
    const flags = ['--os', 'debian', '--release', release, '--arch', 'amd64', '--serial', serial];
    await run(process.execPath, [program, 'publish', at('root.tar'), ...flags], { cwd: directory });
  };
  beforeAll(async () => {
    prepared = await mkdtemp(join(tmpdir(), 'headwater-bundle-'));
    directory = prepared;
    await mkdir(at('out'));
    await writeFile(at('headwater.yaml'), 'site: hq\n');
    await run(process.execPath, [program, 'key', 'create'], { cwd: directory });
    await run('sh', ['-c', '"$0" "$1" key export > hq.gpg', process.execPath, program], { cwd: directory });
    await publish('small', 100_000);
  });
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'headwater-bundle-'));
    await cp(prepared, directory, { recursive: true });
  });
  afterEach(() => rm(directory, { recursive: true }));
  afterAll(() => rm(prepared, { recursive: true }));
  return {
    ...{ directory: () => directory, at, bundle, publish },
    create: async (...args) => {
      const { code, stderr, stdout } = await bundle('create', '--to', 'vault-7', ...args);
      if (code !== 0) throw new Error(stderr);
      return stdout;
    },
    manifestOf: async (name) =>
      JSON.parse(await readFile(at('out', name, 'bundle.json'), 'utf8')) as Manifest,
  };
}

/** The volumes of a bundle, with their digests. */
export async function volumesOf(path: string): Promise<Map<string, string>> {
  const names = (await readdir(path)).filter((name) => name.endsWith('.tar')).sort();
  const sums = names.map(async (name) => {
    const bytes = await readFile(join(path, name));
    return [name, createHash('sha256').update(bytes).digest('hex')] as const;
  });
  return new Map(await Promise.all(sums));
}

/** Changes a byte of a file. */
export async function damage(path: string, position: number): Promise<void> {
  const file = await open(path, 'r+');
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, position);
  await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, position);
  await file.close();
}
