import { expect, test } from 'vitest';
import { HeadwaterError } from '../../../src/errors.ts';
import { productName } from '../../../src/model/names.ts';
import { draft, scratchCatalog, stored } from '../../support/catalog.ts';

const serials = Array.from({ length: 200 }, (_, index) => `20260101_${String(index).padStart(4, '0')}`);

test('changes that come at the same moment are all made, each with a revision of its own', async () => {
  const catalog = await scratchCatalog();
  await Promise.all(serials.map((serial) => catalog.versions.publish(draft({ serial }), stored)));
  const name = productName(draft().product);
  const before = (await catalog.changes.since(0)).revision;
  await Promise.all(serials.map((serial) => catalog.versions.remove({ stream: 'images', name }, serial)));
  expect((await catalog.products.find({ stream: 'images', name }))?.versions).toEqual([]);
  expect((await catalog.changes.since(0)).revision).toBe(before + serials.length);
});

test('blobs that are recorded at the same moment are all recorded, each as it was said last', async () => {
  const catalog = await scratchCatalog();
  const digests = Array.from({ length: 200 }, (_, index) => `digest ${index}`);
  await Promise.all(
    digests.map(async (digest, index) => {
      await catalog.blobs.record([{ digest, size: index, content: '{"first":true}' }]);
      await catalog.blobs.record([
        {
          digest,
          size: index,
          content: `{"of":"${index}"}`,
          fingerprint: { metadata: 'metadata', fingerprint: `fingerprint ${index}` },
        },
      ]);
    }),
  );
  expect(await catalog.blobs.digests()).toEqual(new Set(digests));
  expect(await catalog.blobs.find('digest 7')).toEqual({
    digest: 'digest 7',
    size: 7,
    content: '{"of":"7"}',
  });
  expect(await catalog.fingerprints.find('metadata', 'digest 7')).toBe('fingerprint 7');
});

test('one that fails takes back only what it did itself', async () => {
  const catalog = await scratchCatalog();
  const publishing = serials.map((serial, index) =>
    catalog.versions.publish(draft({ serial }), () => {
      if (index % 3 === 0) throw new HeadwaterError('unavailable', `${serial} is not there`);
      return stored();
    }),
  );
  const outcomes = await Promise.allSettled(publishing);
  for (const [index, outcome] of outcomes.entries()) {
    expect(outcome).toMatchObject(
      index % 3 === 0
        ? { status: 'rejected', reason: { message: `${serials[index]} is not there` } }
        : { status: 'fulfilled', value: { outcome: 'created' } },
    );
  }
  const product = await catalog.products.find({ stream: 'images', name: productName(draft().product) });
  expect(product?.versions.map(({ serial }) => serial)).toEqual(
    serials.filter((_, index) => index % 3 !== 0),
  );
  expect((await catalog.changes.since(0)).products).toHaveLength(1);
});

test('a change sees what those before it did', async () => {
  const catalog = await scratchCatalog();
  const same = Array.from({ length: 5 }, () => catalog.versions.publish(draft(), stored));
  expect((await Promise.all(same)).map(({ outcome }) => outcome)).toEqual([
    'created',
    ...Array.from({ length: 4 }, () => 'unchanged'),
  ]);
});

test('blobs can be recorded again after the database has failed in front of it', async () => {
  const catalog = await scratchCatalog();
  const failing = () => {
    throw Object.assign(new Error('the disk failed'), { code: 'SQLITE_IOERR' });
  };
  const rejected = async () => {
    const changes = serials
      .slice(0, 20)
      .map((serial) => catalog.versions.publish(draft({ serial }), failing));
    const recording = catalog.blobs.record([{ digest: 'first', size: 1, content: '{}' }]);
    const [recorded] = await Promise.allSettled([recording, ...changes]);
    return recorded?.status === 'rejected';
  };
  await expect.poll(rejected).toBe(true);
  await catalog.blobs.record([{ digest: 'second', size: 1, content: '{}' }]);
  expect(await catalog.blobs.find('second')).toBeDefined();
});
