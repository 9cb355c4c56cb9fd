import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openStream } from '../../../src/bundle/import/bundle-source.ts';
import { importBundle } from '../../../src/mirror/site/import.ts';
import { siteSignature } from '../../../src/mirror/site/site-signature.ts';
import { ReceivingSite, SendingSite } from './sites.ts';

const blockSize = 512;

/** Where the members of an archive begin, with their names and sizes. */
function membersOf(archive: Buffer): { at: number; name: string; size: number }[] {
  const members: { at: number; name: string; size: number }[] = [];
  for (let at = 0; archive[at] !== 0; ) {
    const name = archive.toString('latin1', at, at + 100).replace(/\0.*$/s, '');
    const size = Number.parseInt(archive.toString('latin1', at + 124, at + 135), 8);
    members.push({ at, name, size });
    at += blockSize + Math.ceil(size / blockSize) * blockSize;
  }
  return members;
}

/** A header that any tar program takes: with a right checksum. */
function header(
  from: Buffer,
  changes: { name?: string; type?: string; link?: string; size?: Buffer },
): Buffer {
  const block = Buffer.from(from);
  const { name, type, link, size } = changes;
  if (name !== undefined) block.fill(0, 0, 100).write(name, 0);
  if (type !== undefined) block.write(type, 156);
  if (link !== undefined) block.write(link, 157);
  if (size !== undefined) size.copy(block, 124);
  block.write('        ', 148);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** 2^63 in base 256, as GNU tar writes large sizes. */
const hugeSize = Buffer.from([0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]);

/** A bundle with three versions, whose only volume tests replace. */
async function makeBundle() {
  const hq = await SendingSite.make();
  for (const day of [1, 2, 3]) await hq.publish('bookworm', `2026010${day}_0000`);
  const bundle = await hq.write();
  const path = join(bundle.path, 'vault-7-0001.0001.tar');
  const archive = await readFile(path);
  const [first] = membersOf(archive).filter(({ name }) => name.startsWith('blobs/'));
  if (first === undefined) throw new Error('a volume without blobs');
  return { hq, bundle, path, archive, first };
}

test.each<[string, (archive: Buffer, first: { at: number; size: number }) => Buffer]>([
  [
    'a path that leaves the directory',
    (archive, { at }) => replaced(archive, at, { name: '../../etc/passwd' }),
  ],
  ['an absolute path', (archive, { at }) => replaced(archive, at, { name: '/etc/passwd' })],
  ['a symbolic link', (archive, { at }) => replaced(archive, at, { type: '2', link: '/etc/passwd' })],
  ['a hard link', (archive, { at }) => replaced(archive, at, { type: '1', link: '/etc/passwd' })],
  ['a device', (archive, { at }) => replaced(archive, at, { type: '3' })],
  ['a size of 2^63 bytes', (archive, { at }) => replaced(archive, at, { size: hugeSize })],
])('%s in a volume is refused, and only the versions with that file wait', async (_, change) => {
  const { hq, bundle, path, archive, first } = await makeBundle();
  await writeFile(path, change(archive, first));
  const vault = await ReceivingSite.make(hq);
  const result = await vault.import(bundle);
  expect(result).toMatchObject({ outcome: 'partial', report: { added: 2 } });
  expect(result.report.bundle?.waiting).toMatchObject({ versions: 1, blobs: 1 });
  expect(result.report.bundle?.volumes[0]?.problems.join()).toContain('the header of blobs/sha256/');
  await expectOnlyNamed(vault, bundle.manifest.carried);
});

test.each<[string, (archive: Buffer, first: { at: number; size: number }) => Buffer]>([
  [
    'a second member of a name',
    (archive, { at, size }) => withInserted(archive, at, archive.subarray(at, endOf(at, size))),
  ],
  [
    'a member that the manifest does not name',
    (archive, { at }) => withInserted(archive, at, strangeMember(archive, at)),
  ],
])('%s is refused, and nothing of it is stored', async (_, change) => {
  const { hq, bundle, path, archive, first } = await makeBundle();
  await writeFile(path, change(archive, first));
  const vault = await ReceivingSite.make(hq);
  const result = await vault.import(bundle);
  expect(result.outcome).toBe('partial');
  expect(result.report.bundle?.requests).toEqual([
    'headwater bundle create --to vault-7 --again 1 --volume 1 OUTPUT',
  ]);
  await expectOnlyNamed(vault, bundle.manifest.carried);
});

test('a million members behind a bundle cost time, and no memory', async () => {
  const { hq, bundle } = await makeBundle();
  const archive = await readFile(join(bundle.path, 'vault-7-0001.0001.tar'));
  const vault = await ReceivingSite.make(hq);
  const end =
    membersOf(archive)
      .map(({ at, size }) => endOf(at, size))
      .at(-1) ?? 0;
  const many = Buffer.concat(
    Array.from({ length: 1000 }, () =>
      header(archive.subarray(0, blockSize), { size: Buffer.from('00000000000\0') }),
    ),
  );
  async function* source(): AsyncGenerator<Uint8Array> {
    yield archive.subarray(0, end);
    for (let count = 0; count < 1000; count++) yield many;
  }
  const before = process.memoryUsage().rss;
  const opened = await openStream(source(), 'standard input', await siteSignature(vault.definition));
  const result = await importBundle(vault.definition, opened, vault.services);
  expect(result.report.bundle?.volumes[0]?.problems.join()).toMatch(/bytes too many/);
  // The members have 512 MiB.
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
  await expectOnlyNamed(vault, bundle.manifest.carried);
});

test('a manifest that is packed into very little is refused before it fills the memory', async () => {
  const { hq, archive } = await makeBundle();
  const vault = await ReceivingSite.make(hq);
  const { gzipSync } = await import('node:zlib');
  const bomb = gzipSync(Buffer.alloc(80 * 1024 * 1024));
  const size = Buffer.from(`${bomb.length.toString(8).padStart(11, '0')}\0`);
  const stream = Buffer.concat([header(archive.subarray(0, blockSize), { size }), bomb, Buffer.alloc(4096)]);
  await expect(vault.import(stream)).rejects.toMatchObject({ kind: 'invalid' });
});

function replaced(archive: Buffer, at: number, changes: Parameters<typeof header>[1]): Buffer {
  const copy = Buffer.from(archive);
  header(archive.subarray(at, at + blockSize), changes).copy(copy, at);
  return copy;
}

function withInserted(archive: Buffer, at: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([archive.subarray(0, at), bytes, archive.subarray(at)]);
}

function strangeMember(archive: Buffer, at: number): Buffer {
  const name = `blobs/sha256/${'ab'.repeat(32)}`;
  const size = Buffer.from('00000001000\0');
  return Buffer.concat([
    header(archive.subarray(at, at + blockSize), { name, size }),
    Buffer.alloc(blockSize, 'x'),
  ]);
}

function endOf(at: number, size: number): number {
  return at + blockSize + Math.ceil(size / blockSize) * blockSize;
}

/** The store has nothing but blobs that the manifest names. */
async function expectOnlyNamed(
  { services: { store } }: ReceivingSite,
  carried: readonly { digest: string; size: number }[],
): Promise<void> {
  const named = new Map(carried.map(({ digest, size }) => [digest.slice(7), size]));
  for await (const { digest, size } of store.list()) expect(named.get(digest)).toBe(size);
}
