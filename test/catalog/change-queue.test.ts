import { expect, test } from 'vitest';
import { productName } from '../../src/catalog/names.ts';
import { HeadwaterError } from '../../src/errors.ts';
import { draft, scratchCatalog, stored } from '../support/catalog.ts';

const serials = Array.from({ length: 200 }, (_, index) => `20260101_${String(index).padStart(4, '0')}`);

test('changes that come at the same moment are all made, in their order', async () => {
  const catalog = await scratchCatalog();
  const digests = Array.from({ length: 200 }, (_, index) => `digest ${index}`);
  const before = (await catalog.changes.since(0)).revision;
  await Promise.all(digests.map((digest) => catalog.blobs.record({ digest, size: 1, content: '{}' })));
  expect(await catalog.blobs.digests()).toEqual(new Set(digests));
  expect((await catalog.changes.since(0)).revision).toBe(before + digests.length);
});

test('one that fails takes back only what it did itself', async () => {
  const catalog = await scratchCatalog();
  const publishing = serials.map((serial, index) =>
    catalog.versions.publish(draft({ serial }), [], () => {
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
  const product = await catalog.products.find(productName(draft().product));
  expect(product?.versions.map(({ serial }) => serial)).toEqual(
    serials.filter((_, index) => index % 3 !== 0),
  );
  expect((await catalog.changes.since(0)).products).toHaveLength(1);
});

test('a change sees what those before it did', async () => {
  const catalog = await scratchCatalog();
  const same = Array.from({ length: 5 }, () => catalog.versions.publish(draft(), [], stored));
  expect((await Promise.all(same)).map(({ outcome }) => outcome)).toEqual([
    'created',
    ...Array.from({ length: 4 }, () => 'unchanged'),
  ]);
});
