import { expect, test } from 'vitest';
import type { Catalog } from '../../src/catalog/catalog.ts';
import { pushOwner } from '../../src/catalog/products/ownership.ts';
import { unnamedFamily } from '../../src/catalog/products/product-of-alias.ts';
import type { Quotas } from '../../src/catalog/quotas.ts';
import { messageOf } from '../../src/errors.ts';
import { productName } from '../../src/model/names.ts';
import { unlimited } from '../../src/model/rights.ts';
import { draft, pushDraft, scratchCatalog, stored } from '../support/catalog.ts';

/** What {@link draft} and {@link pushDraft} make has 4796 bytes. */
const size = 4796;

/** A catalog in which a token changes something through the API. */
const as = (catalog: Catalog, uploader: string): Catalog =>
  catalog.by({ who: uploader, from: '127.0.0.1', permit: { ...unlimited, uploader } });

const publish = async (
  catalog: Catalog,
  serial: string,
  quotas: Quotas = {},
  options: { os?: string } = {},
) =>
  await catalog.versions
    .publish(draft({ serial, ...options }), stored, { quotas })
    .then(({ outcome }) => outcome, messageOf);

const used = async (catalog: Catalog, pushedBy: string, stream = 'images') => {
  const left = async (quotas: Quotas) => (await catalog.pushed.allowance(quotas, { stream, pushedBy })).bytes;
  return {
    entry: 1_000_000 - (await left({ entry: 1_000_000 })),
    stream: 1_000_000 - (await left({ stream: 1_000_000 })),
  };
};

test('versions that a token publishes count towards its quota and that of their stream; those of this machine do not', async () => {
  const catalog = await scratchCatalog();
  await publish(catalog, '20260101_0000');
  expect(await used(catalog, 'token:ci')).toEqual({ entry: 0, stream: 0 });
  await publish(as(catalog, 'token:ci'), '20260102_0000');
  await publish(as(catalog, 'token:other'), '20260103_0000');
  expect(await used(catalog, 'token:ci')).toEqual({ entry: size, stream: 2 * size });
});

test('pushed and published images share one quota', async () => {
  const catalog = as(await scratchCatalog(), 'client:one');
  const quotas = { entry: 2 * size };
  const pushed = pushDraft('one');
  await catalog.pushed.push(
    { ...pushed, pushed: { ...pushed.pushed, pushedBy: 'client:one' } },
    { assertStored: stored, quotas },
  );
  expect(await publish(catalog, '20260101_0000', quotas)).toBe('created');
  expect(await publish(catalog, '20260102_0000', quotas)).toMatch(/quota of client:one is 9592 bytes/);
});

test('a publish over the quota is refused, a version that is listed already counts once, and removing one makes room', async () => {
  const catalog = as(await scratchCatalog(), 'token:ci');
  const quotas = { entry: size + 1000 };
  expect(await publish(catalog, '20260101_0000', quotas)).toBe('created');
  await expect(
    catalog.versions.publish(draft({ serial: '20260102_0000' }), stored, { quotas }),
  ).rejects.toMatchObject({
    name: 'LimitError',
    kind: 'too-large',
    limit: 'entryQuota',
  });
  expect(await publish(catalog, '20260101_0000', quotas)).toBe('unchanged');
  await catalog.versions.remove({ stream: 'images', name: 'debian:bookworm:amd64:default' }, '20260101_0000');
  expect(await used(catalog, 'token:ci')).toEqual({ entry: 0, stream: 0 });
  expect(await publish(catalog, '20260102_0000', quotas)).toBe('created');
  // Back in the documents, it counts again.
  expect(await publish(catalog, '20260101_0000', quotas)).toMatch(/quota of token:ci/);
  expect(await publish(catalog, '20260101_0000', { entry: 2 * size })).toBe('created');
  expect(await used(catalog, 'token:ci')).toEqual({ entry: 2 * size, stream: 2 * size });
});

test('of many at once no more than fit are published', async () => {
  const catalog = await scratchCatalog();
  await publish(catalog, '20260101_0000');
  const token = as(catalog, 'token:ci');
  const serials = Array.from({ length: 10 }, (_, index) => `202602${String(index + 10)}_0000`);
  const outcomes = await Promise.all(serials.map((serial) => publish(token, serial, { entry: 3 * size })));
  expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(3);
  expect(await used(catalog, 'token:ci')).toMatchObject({ entry: 3 * size });
  // Without a quota they are added together, and counted all the same.
  const more = serials.map((serial) => serial.replace('_0000', '_0001'));
  await Promise.all(more.map((serial) => publish(token, serial)));
  expect(await used(catalog, 'token:ci')).toMatchObject({ entry: 13 * size });
});

test('what was published counts for the same token after an alias moved it to another product', async () => {
  const catalog = as(await scratchCatalog(), 'token:ci');
  const product = { ...unnamedFamily('pushed', 'ab'.repeat(32)), architecture: 'amd64' };
  const version = draft({ product, stream: 'pushed', owner: pushOwner('pushed'), serial: '20260101_0000' });
  await catalog.versions.publish(version, stored);
  const place = { stream: 'pushed', product: productName(product), serial: version.serial };
  await catalog.imageAliases.set({ name: 'team/app' }, place);
  const moved = await catalog.products.find({ stream: 'pushed', name: 'pushed:team+app:amd64:default' });
  expect(moved?.versions).toHaveLength(1);
  expect(await used(catalog, 'token:ci', 'pushed')).toEqual({ entry: size, stream: size });
});
