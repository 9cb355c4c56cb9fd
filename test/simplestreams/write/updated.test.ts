import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import { readUpdated } from '../../../src/simplestreams/read/updated.ts';
import { Documents } from '../../../src/simplestreams/write/documents.ts';
import type { Document } from '../../../src/simplestreams/write/gzip-segment.ts';
import {
  draft,
  openCatalog,
  pushDraft,
  scratchCatalog,
  scratchDirectory,
  stored,
} from '../../support/catalog.ts';

const product = { stream: 'images', name: 'debian:bookworm:amd64:default' };

function setClock(time: string): void {
  vi.useFakeTimers({ toFake: ['Date'], now: new Date(time) });
  onTestFinished(() => {
    vi.useRealTimers();
  });
}

/** Documents as a server has them that starts now. */
async function start(catalog: Catalog) {
  const documents = new Documents(catalog, {
    onError: (error) => {
      throw error;
    },
  });
  onTestFinished(() => documents.stop());
  await documents.start();
  const updated = (document: Document | undefined) =>
    (JSON.parse(Buffer.concat(document?.plain ?? []).toString()) as { updated: unknown }).updated;
  return {
    documents,
    products: () => updated(documents.stream('images')),
    index: async () => updated(await documents.index(() => true)),
    etags: async () => [documents.stream('images')?.etag, (await documents.index(() => true)).etag],
  };
}

test('documents say when they last changed, in the form of other upstreams', async () => {
  setClock('2026-11-24T08:11:02.500Z');
  const catalog = await scratchCatalog();
  await catalog.versions.publish(draft(), stored);
  const server = await start(catalog);
  expect(server.products()).toBe('Tue, 24 Nov 2026 08:11:02 +0000');
  expect(await server.index()).toBe('Tue, 24 Nov 2026 08:11:02 +0000');
  expect(readUpdated(server.products())).toEqual(new Date('2026-11-24T08:11:02Z'));

  // The index shows no versions.
  setClock('2026-11-25T09:00:00Z');
  await catalog.versions.publish(draft({ serial: '20260102_0000' }), stored);
  await server.documents.visible();
  expect(server.products()).toBe('Wed, 25 Nov 2026 09:00:00 +0000');
  expect(await server.index()).toBe('Tue, 24 Nov 2026 08:11:02 +0000');
  await catalog.versions.publish(draft({ os: 'ubuntu' }), stored);
  await server.documents.visible();
  expect(await server.index()).toBe('Wed, 25 Nov 2026 09:00:00 +0000');
});

test('a restart changes nothing, and a document does not change for what it does not show', async () => {
  setClock('2026-11-24T08:00:00Z');
  const catalog = await scratchCatalog();
  await catalog.versions.publish(draft(), stored);
  await catalog.versions.publish(draft({ os: 'other', stream: 'other' }), stored);
  const first = await start(catalog);
  const etags = await first.etags();
  setClock('2026-11-25T08:00:00Z');
  expect(await (await start(catalog)).etags()).toEqual(etags);

  await catalog.versions.publish(draft({ os: 'other', stream: 'other', serial: '20260102_0000' }), stored);
  // A private image, and the same details once more.
  await catalog.pushed.push(pushDraft('private', { stream: 'images', hidden: true }), {
    assertStored: stored,
    quotas: {},
  });
  await catalog.versions.redescribe(product, 'local', draft().details);
  await first.documents.visible();
  expect(first.documents.revision).toBe((await start(catalog)).documents.revision);
  expect((await first.etags())[0]).toBe(etags[0]);
});

test('the time does not go back with the clock, nor over a restart', async () => {
  setClock('2026-11-24T08:00:00Z');
  const catalog = await scratchCatalog();
  await catalog.versions.publish(draft(), stored);
  const server = await start(catalog);
  expect(await server.index()).toBe('Tue, 24 Nov 2026 08:00:00 +0000');
  setClock('2026-11-20T00:00:00Z');
  await catalog.versions.publish(draft({ serial: '20260102_0000' }), stored);
  await server.documents.visible();
  expect(server.products()).toBe('Tue, 24 Nov 2026 08:00:00 +0000');
  await catalog.versions.remove(product, '20260101_0000');
  await catalog.versions.publish(draft({ os: 'ubuntu' }), stored);
  const restarted = await start(catalog);
  expect(restarted.products()).toBe('Tue, 24 Nov 2026 08:00:00 +0000');
  expect(await restarted.index()).toBe('Tue, 24 Nov 2026 08:00:00 +0000');
  setClock('2026-11-24T08:00:01Z');
  await catalog.versions.remove(product, '20260102_0000');
  await restarted.documents.visible();
  expect(restarted.products()).toBe('Tue, 24 Nov 2026 08:00:01 +0000');
});

test('two servers of a catalog say the same', async () => {
  const file = join(await scratchDirectory(), 'catalog.db');
  const [one, other] = [await openCatalog(file), await openCatalog(file)];
  await one.versions.publish(draft(), stored);
  const servers = [await start(one), await start(other)];
  for (const day of ['01', '02', '03']) {
    await one.versions.publish(draft({ serial: `202602${day}_0000` }), stored);
    const revision = one.changes.since(0).then((changes) => changes.revision);
    for (const { documents } of servers) await documents.visible(await revision);
    const [first, second] = await Promise.all(servers.map(({ etags }) => etags()));
    expect(first).toEqual(second);
  }
});

test('a server that is behind does not take back the state that another one recorded', async () => {
  const { documentTimes } = await scratchCatalog();
  const [early, late] = [new Date('2026-01-01T00:00:00Z'), new Date('2026-01-02T00:00:00Z')];
  const of = async (content: string, revision: number, now: Date) =>
    await documentTimes.of('stream images', { content, revision }, now);
  expect(await of('old', 1, early)).toEqual(early);
  expect(await of('new', 2, late)).toEqual(late);
  expect(await of('old', 1, new Date('2026-01-03T00:00:00Z'))).toEqual(late);
  expect(await of('new', 2, new Date('2026-01-04T00:00:00Z'))).toEqual(late);
});
