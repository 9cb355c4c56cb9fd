import { execFileSync } from 'node:child_process';
import { copyFileSync, linkSync, mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clients, emptyDaemons, trustedTls } from '../support/daemons.ts';
import { Headwater } from './headwater.ts';

// Images packed in ways that builders seldom use are launched by the daemons: published here, and exported again.

const remote = 'packings';
const busyboxPath = '/bin/busybox';

const metadata = `architecture: x86_64
creation_date: 1767322800
properties: {os: Packings, release: "1"}
`;

/** The files of an image by the variant that it is published as, each made in a directory that has the image's tree. */
const packings: Record<string, string[][]> = {
  'unified-squashfs': [['mksquashfs', 'image', 'image.squashfs', '-quiet', '-no-progress', '-comp', 'xz']],
  'unified-lzma': [['tar', '--lzma', '-cf', 'image.tar.lzma', '-C', 'image', '.']],
  'root-lzma': [
    ['tar', '--lzma', '-cf', 'metadata.tar.lzma', '-C', 'image', 'metadata.yaml'],
    ['tar', '--lzma', '-cf', 'rootfs.tar.lzma', '-C', 'image/rootfs', '.'],
  ],
  'xz-with-filter': [
    ['tar', '-I', 'xz --check=sha256 --x86 --lzma2=preset=1', '-cf', 'image.tar.xz', '-C', 'image', '.'],
  ],
};

let scratch: string;
let headwater: Headwater;

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'headwater-packings-'));
  const root = path.join(scratch, 'image/rootfs');
  for (const folder of ['bin', 'dev', 'etc', 'proc', 'root', 'run', 'sbin', 'sys', 'tmp', 'var']) {
    mkdirSync(path.join(root, folder), { recursive: true });
  }
  copyFileSync(busyboxPath, path.join(root, 'sbin/init'));
  linkSync(path.join(root, 'sbin/init'), path.join(root, 'bin/sh'));
  writeFileSync(path.join(root, 'etc/os-release'), 'ID=packings\nVERSION_ID=1\n');
  writeFileSync(path.join(scratch, 'image/metadata.yaml'), metadata);
  headwater = await Headwater.create({ tls: trustedTls });
  await headwater.start(trustedTls.certificate);
  for (const [variant, commands] of Object.entries(packings)) {
    const made = commands.map(([program = '', ...args]) => {
      execFileSync(program, args, { cwd: scratch });
      return args.find((argument) => /^[a-z]+\.(squashfs|tar\.\w+)$/.test(argument)) ?? '';
    });
    await headwater.publish(...made.map((name) => path.join(scratch, name)), '--variant', variant);
  }
  for (const client of clients) await client.addRemote(remote, headwater.url);
});

afterAll(async () => {
  await emptyDaemons();
  await headwater.remove();
  await rm(scratch, { recursive: true, force: true });
});

describe.each(clients)('with $name', (client) => {
  test.each(Object.keys(packings))('a container is launched from %s', async (variant) => {
    const name = `run-${variant}`;
    await client.run('launch', '-q', `${remote}:packings/1/${variant}`, name);
    const read = 'while read line; do echo "$line"; done < /etc/os-release';
    expect(await client.inside(name, 'sh', '-c', read)).toContain('ID=packings');
    await client.run('delete', '--force', name);
  });
});
