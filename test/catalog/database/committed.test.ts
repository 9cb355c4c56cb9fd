import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Documents } from '../../../src/simplestreams/write/documents.ts';
import { draft, openCatalog, scratchCatalog, scratchDirectory, stored } from '../../support/catalog.ts';

const name = 'debian:bookworm:amd64:default';

test('each change that documents show is told once, when it is committed', async () => {
  const catalog = await scratchCatalog();
  const told: number[] = [];
  const stop = catalog.onCommitted((revision) => told.push(revision));
  await catalog.versions.publish(draft(), stored);
  expect(told).toEqual([(await catalog.changes.since(0)).revision]);
  await catalog.tokens.create({ name: 'ci', actions: ['read'] });
  await expect(catalog.versions.remove({ stream: 'images', name }, '20270101_0000')).rejects.toMatchObject({
    kind: 'not-found',
  });
  expect(told).toHaveLength(1);

  await catalog.versions.publish(draft({ serial: '20260102_0000' }), stored);
  expect(told.slice(1)).toEqual([(await catalog.changes.since(0)).revision]);
  stop();
  await catalog.versions.remove({ stream: 'images', name }, '20260102_0000');
  expect(told).toHaveLength(2);
});

test('changes of other processes come by the change feed', async () => {
  const file = join(await scratchDirectory(), 'catalog.db');
  const [catalog, other] = [await openCatalog(file), await openCatalog(file)];
  catalog.onCommitted(() => expect.unreachable('another process made the change'));
  let changes = 0;
  const stop = catalog.feed.watch(() => {
    changes += 1;
  });
  await other.versions.publish(draft(), stored);
  await expect.poll(() => changes).toBe(1);
  stop();
});

test('documents that cannot be rendered keep nobody waiting, and follow the next change', async () => {
  const catalog = await scratchCatalog();
  const errors: unknown[] = [];
  const documents = new Documents(catalog, { onError: (error) => errors.push(error) });
  await documents.start();
  const since = catalog.changes.since.bind(catalog.changes);
  catalog.changes.since = () => Promise.reject(new Error('damaged'));
  await catalog.versions.publish(draft(), stored);
  await documents.visible();
  expect(errors).toContainEqual(new Error('damaged'));
  expect(documents.streams).toEqual([]);
  catalog.changes.since = since;
  await catalog.versions.publish(draft({ serial: '20260102_0000' }), stored);
  await documents.visible();
  expect(documents.streams).toEqual(['images']);
  await documents.stop();
});
