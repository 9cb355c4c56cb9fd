import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { beforeEach, expect, test } from 'vitest';
import { headwater } from '../../command-line.ts';
import { mebibyte, useBundleSite } from './bundle-site.ts';

const { at, bundle, create, directory, manifestOf, publish } = useBundleSite();

/** Writes the definition of the site. */
async function define(text: string): Promise<void> {
  await writeFile(at('bundles/vault-7.yaml'), text);
}

beforeEach(async () => {
  await mkdir(at('bundles'));
});

test('the definition of a site selects versions and sizes, and options override it', async () => {
  await publish('large', 5 * mebibyte);
  await publish('large', 1000, '20260102_0000');
  await publish('large', 1000, '20260103_0000');
  await define(
    'select: [{os: Debian, release: [lar*, "!small"], architecture: x86_64, type: container}]\nkeep: {versions: 2}\nvolume: 3MiB\n',
  );
  await create('out');
  const first = await manifestOf('vault-7-0001');
  expect(first.versions.map(({ product, serial }) => [product, serial])).toEqual([
    ['debian:large:amd64:default', '20260102_0000'],
    ['debian:large:amd64:default', '20260103_0000'],
  ]);
  expect(first.volumes.limit).toBe(3 * mebibyte);
  await create('--select', 'release=small', '--volume-size', '4MiB', 'out');
  const second = await manifestOf('vault-7-0002');
  expect(second.versions.map(({ product }) => product)).toEqual(['debian:small:amd64:default']);
  expect(second.volumes.limit).toBe(4 * mebibyte);
  // Another site has no definition.
  const { stdout } = await bundle('create', '--to', 'ship', '--dry-run');
  expect(stdout).toContain('4 versions; ');
});

test('a definition names streams', async () => {
  await define('streams: [other]');
  const { code, stderr } = await bundle('create', '--to', 'vault-7', 'out');
  expect(code).toBe(4);
  expect(stderr).toContain('no version to carry');
});

test('files of the last bundles are carried again, but not for ever', async () => {
  await define('overlap: 1');
  await create('out');
  const digests = async (name: string) => (await manifestOf(name)).carried.map(({ digest }) => digest);
  const first = await digests('vault-7-0001');
  await publish('other', 1000);
  await create('out');
  const second = await digests('vault-7-0002');
  expect(second).toEqual(expect.arrayContaining(first));
  expect(second.length).toBeGreaterThan(first.length);
  await create('out');
  const third = await manifestOf('vault-7-0003');
  expect(third.carried.map(({ digest }) => digest).sort()).toEqual(
    second.filter((digest) => !first.includes(digest)).sort(),
  );
  expect(third.assumed.map(({ digest }) => digest).sort()).toEqual(first.sort());
  const verified = await bundle('verify', 'out/vault-7-0003', '--keyring', 'hq.gpg');
  expect(verified.code).toBe(0);
});

test('config check reads the definitions', async () => {
  await define('volume: floppy');
  const wrong = await headwater(['config', 'check'], { cwd: directory() });
  expect(wrong.code).toBe(3);
  expect(wrong.stderr).toContain('bundles/vault-7.yaml:1: volume: expected fat32, dvd, bd');
  await define('volume: dvd');
  const { code, stderr } = await headwater(['config', 'check'], { cwd: directory() });
  expect(code).toBe(0);
  expect(stderr).toContain('Bundles are defined for the sites vault-7.');
});

test('a bundle of a limited size names what it leaves out, and the next one carries it', async () => {
  await publish('large', 2 * mebibyte, '20260102_0000');
  await publish('large', 2 * mebibyte, '20260103_0000');
  const planned = await create('--max-size', '3MiB', '--dry-run');
  expect(planned).toContain(
    'These versions do not fit. The next bundle contains them:\n  images/debian:large:amd64:default 20260102_0000',
  );
  expect(await create('--max-size', '3MiB', 'out')).toContain('large:amd64:default 20260102_0000');
  expect((await manifestOf('vault-7-0001')).versions.map(({ serial }) => serial)).toEqual([
    '20260103_0000',
    '20260101_0000',
  ]);
  const next = JSON.parse(await create('--max-size', '3MiB', '--json', 'out')) as { leftOut: unknown[] };
  expect(next.leftOut).toEqual([]);
  expect((await manifestOf('vault-7-0002')).carried.length).toBeGreaterThan(0);
  const sums = await readFile(at('out/vault-7-0002/SHA256SUMS'), 'utf8');
  expect(sums).toContain('vault-7-0002.0001.tar');
});

test.each([
  [['--max-size', 'much'], '--max-size much: expected a size such as 4GiB'],
  [['--max-size', '2KiB'], '--max-size: 2048 bytes are too few'],
])('%j is refused', async (args, message) => {
  const { code, stderr } = await bundle('create', '--to', 'vault-7', ...args, 'out');
  expect(stderr).toContain(message);
  expect(code).toBe(2);
});
