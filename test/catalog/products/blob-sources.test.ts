import { expect, test } from 'vitest';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import type { VersionDraft } from '../../../src/model/versions.ts';
import { draft, scratchCatalog, stored } from '../../support/catalog.ts';

const owner = 'mirror:up';
const never = new Date(0);

/** Publishes a version whose blobs can be had from the mirror `up`, and says that they are held. */
async function publishListed(catalog: Catalog, version: VersionDraft): Promise<string[]> {
  const sources = version.items.map(({ digest, size, file }) => ({ digest, size, mirror: 'up', path: file }));
  await catalog.sources.record(sources, never);
  await catalog.versions.publish(version, stored);
  return sources.map(({ digest }) => digest);
}

async function hold(catalog: Catalog, digest: string, when: number): Promise<void> {
  await catalog.blobs.record([{ digest, size: 10, content: '{}' }], new Date(when));
}

test('a source is found by the digest of its blob, and recording it again changes where it is', async () => {
  const catalog = await scratchCatalog();
  await catalog.sources.record([{ digest: 'd', size: 1, mirror: 'up', path: 'old' }]);
  await catalog.sources.record([{ digest: 'd', size: 1, mirror: 'up', path: 'new' }]);
  expect(await catalog.sources.find('d')).toEqual([{ digest: 'd', size: 1, mirror: 'up', path: 'new' }]);
  expect(await catalog.sources.find('e')).toEqual([]);
});

test('sources are forgotten with the versions that name their blobs', async () => {
  const catalog = await scratchCatalog();
  const version = draft({ owner });
  const [digest = ''] = await publishListed(catalog, version);
  await catalog.versions.forget(new Date());
  expect(await catalog.sources.find(digest)).toHaveLength(1);
  await catalog.versions.remove(
    { stream: 'images', name: 'debian:bookworm:amd64:default' },
    version.serial,
    new Date(1000),
  );
  await catalog.versions.forget(new Date(2000));
  expect(await catalog.sources.find(digest)).toEqual([]);
});

test('sources whose version has not been published yet are kept for as long as blobs are', async () => {
  const catalog = await scratchCatalog();
  await catalog.sources.record([{ digest: 'd', size: 1, mirror: 'up', path: 'p' }], new Date(2000));
  await catalog.versions.forget(new Date(1000));
  expect(await catalog.sources.find('d')).toHaveLength(1);
  await catalog.versions.forget(new Date(3000));
  expect(await catalog.sources.find('d')).toEqual([]);
});

test('what is held comes in the order in which it was last asked for', async () => {
  const catalog = await scratchCatalog();
  const [metadata = '', root = ''] = await publishListed(catalog, draft({ owner }));
  expect(await catalog.sources.held('up', owner)).toEqual([]);
  await hold(catalog, metadata, 1000);
  await hold(catalog, root, 2000);
  await catalog.sources.noteAsked(metadata, new Date(3000));
  expect(await catalog.sources.held('up', owner)).toEqual([
    { digest: root, size: 10, askedAt: new Date(2000) },
    { digest: metadata, size: 10, askedAt: new Date(3000) },
  ]);
});

test('what somebody else names too is neither counted nor let go', async () => {
  const catalog = await scratchCatalog();
  const version = draft({ owner });
  const [metadata = '', root = ''] = await publishListed(catalog, version);
  await hold(catalog, metadata, 1000);
  await hold(catalog, root, 1000);
  const local = draft({ os: 'other', owner: 'local' });
  await catalog.versions.publish({ ...local, items: version.items.slice(1) }, stored);

  expect((await catalog.sources.held('up', owner)).map(({ digest }) => digest)).toEqual([metadata]);
  const removed: string[] = [];
  const evict = async (digest: string) =>
    await catalog.sources.evict(digest, owner, () => Promise.resolve(void removed.push(digest)));
  expect([await evict(metadata), await evict(root)]).toEqual([true, false]);
  expect(removed).toEqual([metadata]);
  expect(await catalog.blobs.find(metadata)).toBeUndefined();
  expect(await catalog.blobs.find(root)).toBeDefined();
  expect(await catalog.sources.find(metadata)).toHaveLength(1);
});
