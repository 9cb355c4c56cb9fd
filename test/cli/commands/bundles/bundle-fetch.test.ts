import { mkdir, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { DirectoryStore } from '../../../../src/blobs/directory/directory-store.ts';
import { Catalog } from '../../../../src/catalog/catalog.ts';
import { evictExpired } from '../../../../src/mirror/on-demand/eviction.ts';
import { TestUpstream } from '../../../mirror/test-upstream.ts';
import { headwater } from '../../command-line.ts';
import { useBundleSite } from './bundle-site.ts';

const { at, bundle, create, directory, manifestOf } = useBundleSite();

const product = 'debian:bookworm:amd64:default';

/** A mirror that lists a version on demand. */
async function mirrorOnDemand(name = 'up'): Promise<TestUpstream> {
  const upstream = await TestUpstream.start();
  await upstream.offer(product, '20260105_0000');
  await mkdir(at('mirrors'), { recursive: true });
  await writeFile(at(`mirrors/${name}.yaml`), `url: ${upstream.url}\nunsigned: true\nmode: on-demand\n`);
  const { code, stderr } = await headwater(['mirror', 'run'], { cwd: directory() });
  expect(stderr).not.toContain('failed');
  expect(code).toBe(0);
  return upstream;
}

/** Removes the files of the mirror from the store, as the limits of its cache do. */
async function evict(): Promise<void> {
  const catalog = await Catalog.open(at('data/catalog.db'));
  const store = new DirectoryStore(at('data'));
  await store.open({ create: false });
  const evicted = await evictExpired({ name: 'up' }, { size: 0 }, { catalog, store });
  expect(evicted.blobs).toBeGreaterThan(0);
  await store.close();
  await catalog.close();
}

test('versions whose files are not stored are refused by name, and --fetch downloads the files', async () => {
  await mirrorOnDemand();
  const refused = await bundle('create', '--to', 'vault-7', 'out');
  expect(refused.code).toBe(5);
  expect(refused.stderr).toContain(
    `the files of images/${product} 20260105_0000 are not stored, because a mirror lists them on demand: use --fetch`,
  );
  expect((await bundle('list')).stderr).toContain('No bundles yet.');
  expect(await create('--fetch', '--dry-run')).toContain(
    'Files of 1 version are not stored: they are downloaded first.',
  );
  expect((await bundle('create', '--to', 'vault-7', '--dry-run')).code).toBe(5);
  await create('--fetch', 'out');
  expect((await manifestOf('vault-7-0001')).versions).toHaveLength(2);
  expect((await bundle('verify', 'out/vault-7-0001', '--keyring', 'hq.gpg')).code).toBe(0);
});

test('a version that was sent need not be stored', async () => {
  await mirrorOnDemand();
  await create('--fetch', 'out');
  await evict();
  await create('out');
  expect((await manifestOf('vault-7-0002')).carried).toEqual([]);
  const refused = await bundle('create', '--to', 'vault-7', '--since', 'nothing', 'out');
  expect(refused.code).toBe(5);
  expect(refused.stderr).toContain('are not stored');
});

test('an upstream that does not answer is named, and nothing is begun', async () => {
  const upstream = await mirrorOnDemand();
  upstream.files.clear();
  const { code, stderr } = await bundle('create', '--to', 'vault-7', '--fetch', 'out');
  expect(stderr).toContain('20260105_0000/');
  expect(code).toBe(4);
  expect((await bundle('list')).stderr).toContain('No bundles yet.');
});

test('only products of a mirror travel', async () => {
  await mirrorOnDemand();
  await create('--fetch', '--mirror', 'up', 'out');
  expect((await manifestOf('vault-7-0001')).products).toMatchObject([{ name: product, owner: 'mirror:up' }]);
  const none = await bundle('create', '--to', 'vault-7', '--mirror', 'other', 'out');
  expect(none).toMatchObject({ code: 4, stderr: expect.stringContaining('no version to carry') });
});
