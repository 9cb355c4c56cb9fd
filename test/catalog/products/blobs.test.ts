import { expect, test } from 'vitest';
import { draft, scratchCatalog, sha256, stored } from '../../support/catalog.ts';

const old = new Date(1000);
const later = new Date(5000);

test('only blobs that nothing names and nobody used lately are collected', async () => {
  const catalog = await scratchCatalog();
  const version = draft();
  const [named, loose, fresh] = [version.items[1]?.digest ?? '', sha256('loose'), sha256('fresh')];
  for (const digest of [named, loose]) await catalog.blobs.record([{ digest, size: 1, content: '{}' }], old);
  await catalog.blobs.record([{ digest: fresh, size: 1, content: '{}' }], later);
  await catalog.versions.publish(version, stored);
  expect(await catalog.blobs.unused(later, 10)).toEqual([loose]);

  const removed: string[] = [];
  const remove = (digest: string) => async () => {
    removed.push(digest);
  };
  for (const digest of [named, loose, fresh]) await catalog.blobs.collect(digest, later, remove(digest));
  expect(removed).toEqual([loose]);
  expect(await catalog.blobs.find(loose)).toBeUndefined();
  expect(await catalog.blobs.find(named)).toBeDefined();
});

test('of blobs that are recorded together, those that were known are told, and are as new', async () => {
  const catalog = await scratchCatalog();
  const [known, fresh] = [sha256('known'), sha256('fresh')];
  await catalog.blobs.record([{ digest: known, size: 1, content: '{"first":true}' }], old);
  const again = [known, fresh].map((digest) => ({ digest, size: 1, content: '{}' }));
  expect(await catalog.blobs.record(again, later)).toEqual(new Set([known]));
  expect(await catalog.blobs.unused(later, 10)).toEqual([]);
  expect(await catalog.blobs.findAll([known, fresh])).toEqual(
    new Map(again.map((record) => [record.digest, record])),
  );
});

test('a blob whose bytes could not be removed is still remembered', async () => {
  const catalog = await scratchCatalog();
  const digest = sha256('loose');
  await catalog.blobs.record([{ digest, size: 1, content: '{}' }], old);
  const failing = catalog.blobs.collect(digest, later, () => Promise.reject(new Error('store is down')));
  await expect(failing).rejects.toThrow('store is down');
  expect(await catalog.blobs.find(digest)).toBeDefined();
});
