import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Access } from '../../../src/access/access.ts';
import { DirectoryStore } from '../../../src/blobs/directory/directory-store.ts';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import { StoredBlobs } from '../../../src/publish/destination/stored-blobs.ts';
import { put, type Sample, sample } from '../../blobs/bytes.ts';
import { scratchCatalog, scratchDirectory } from '../../support/catalog.ts';

interface Setting {
  directory: string;
  store: DirectoryStore;
  catalog: Catalog;
  blobs: StoredBlobs;
}

async function setting(): Promise<Setting> {
  const directory = await scratchDirectory();
  const store = new DirectoryStore(directory);
  await store.open();
  onTestFinished(() => store.close());
  const catalog = await scratchCatalog();
  return { directory, store, catalog, blobs: new StoredBlobs(catalog, store) };
}

/** What the catalog remembers of a sample. */
const recordOf = ({ digest, bytes }: Sample) => ({
  digest,
  size: bytes.length,
  content: JSON.stringify({ kind: 'squashfs' }),
});

/** A blob that the store and the catalog have. */
async function stored({ store, catalog }: Setting): Promise<Sample> {
  const blob = sample(5000);
  await put(store, blob);
  await catalog.blobs.record([recordOf(blob)]);
  return blob;
}

test('a blob that the catalog knows and the store has is found, with what it is', async () => {
  const at = await setting();
  const blob = await stored(at);
  expect(await at.blobs.find(blob.digest)).toEqual(recordOf(blob));
});

test('one that only the store has is not found, nor one that only the catalog knows', async () => {
  const at = await setting();
  const [unknown, lost] = [sample(5000), await stored(at)];
  await put(at.store, unknown);
  await at.store.remove(lost.digest);
  expect([await at.blobs.find(unknown.digest), await at.blobs.find(lost.digest)]).toEqual([
    undefined,
    undefined,
  ]);
});

test('one whose file lost some of its bytes is not found', async () => {
  const at = await setting();
  const { digest } = await stored(at);
  await truncate(join(at.directory, 'blobs/sha256', digest.slice(0, 2), digest), 4999);
  expect(await at.blobs.find(digest)).toBeUndefined();
});

test('one that was set aside comes back and is found', async () => {
  const at = await setting();
  const blob = await stored(at);
  await at.store.setAside(blob.digest, 'unknown');
  expect(await at.store.stat(blob.digest)).toBeUndefined();
  expect(await at.blobs.find(blob.digest)).toEqual(recordOf(blob));
  expect(await at.store.stat(blob.digest)).toMatchObject({ size: 5000 });
});

test('one that no version has is found by its uploader and administrators only', async () => {
  const at = await setting();
  const { catalog, store } = at;
  const access = new Access(catalog, () => true);
  const as = async (name: string, action: 'publish' | 'admin') => {
    const { secret } = await catalog.tokens.create({ name, actions: [action] });
    return catalog.by(access.actor(await access.ofToken(secret), '127.0.0.1'));
  };
  const uploader = await as('uploader', 'publish');
  const blob = sample(5000);
  await put(store, blob);
  await uploader.blobs.record([recordOf(blob)]);
  const find = async (own: Catalog) => await new StoredBlobs(own, store).find(blob.digest);
  expect(await find(uploader)).toEqual(recordOf(blob));
  expect(await find(await as('other', 'publish'))).toBeUndefined();
  expect(await find(await as('administrator', 'admin'))).toEqual(recordOf(blob));
  expect(await find(catalog.by(access.actor(undefined, '127.0.0.1')))).toBeUndefined();
});
