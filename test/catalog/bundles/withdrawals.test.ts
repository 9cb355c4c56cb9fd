import { beforeEach, expect, test } from 'vitest';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import type { VersionDraft } from '../../../src/model/versions.ts';
import { draft, scratchCatalog, sha256 } from '../../support/catalog.ts';

const product = 'debian:bookworm:amd64:default';
const [first, second, third] = ['20260101_0000', '20260101_0001', '20260101_0002'] as const;
const refusal = `version ${first} of product ${product} was withdrawn on 2026-02-01 (CVE-2026-1234)`;

let catalog: Catalog;
const publish = async (version: VersionDraft) =>
  await catalog.versions.publish(version, () => Promise.resolve());
const withdraw = async (serial: string, name = product) =>
  await catalog.versions.remove({ stream: 'images', name }, serial, new Date('2026-02-01T00:00:00Z'), {
    withdraw: 'CVE-2026-1234',
  });
const serials = async () =>
  (await catalog.products.find({ stream: 'images', name: product }))?.versions.map(({ serial }) => serial);

beforeEach(async () => {
  catalog = await scratchCatalog();
  await publish(draft({ serial: first }));
});

test('a withdrawn version leaves the documents and does not come back', async () => {
  await publish(draft({ serial: second }));
  await withdraw(first);
  expect(await serials()).toEqual([second]);
  await expect(publish(draft({ serial: first }))).rejects.toThrow(refusal);
  // Also when garbage collection has forgotten it.
  await catalog.versions.forget(new Date());
  await expect(publish(draft({ serial: first }))).rejects.toThrow(refusal);
  const both = await Promise.allSettled([
    publish(draft({ serial: first })),
    publish(draft({ serial: third })),
  ]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  expect(await serials()).toEqual([second, third]);
  // It is one of this stream.
  await publish(draft({ serial: first, stream: 'other' }));
});

test('a derived serial is never a withdrawn one', async () => {
  await withdraw(first);
  await catalog.versions.forget(new Date());
  await publish(draft({ serial: third }));
  const items = draft().items.map((item) => ({ ...item, digest: sha256(`other ${item.type}`) }));
  const published = await publish(draft({ serial: first, serialIsDerived: true, items }));
  expect(published.serial).toBe(second);
});

test('a version that is no longer listed can be withdrawn, if there is such a product', async () => {
  await withdraw('20250101_0000');
  expect(await serials()).toEqual([first]);
  expect(await catalog.withdrawals.list(['images'])).toEqual([
    {
      ...{ stream: 'images', product, serial: '20250101_0000', reason: 'CVE-2026-1234' },
      at: new Date('2026-02-01T00:00:00Z'),
    },
  ]);
  expect(await catalog.withdrawals.list(['other'])).toEqual([]);
  await expect(withdraw(first, 'alpine:edge:amd64:default')).rejects.toThrow('has no version');
});

test('the first withdrawal counts, and the audit log has all', async () => {
  await withdraw(first);
  await catalog.versions.remove({ stream: 'images', name: product }, first, new Date(), {
    withdraw: 'again',
  });
  expect(await catalog.withdrawals.list(['images'])).toMatchObject([{ reason: 'CVE-2026-1234' }]);
  const entries = await catalog.audit.list({ limit: 10 });
  expect(entries.filter(({ action }) => action === 'version.withdraw')).toMatchObject([
    { subject: `${product}@${first}`, details: { stream: 'images', reason: 'again' } },
    { subject: `${product}@${first}`, details: { stream: 'images', reason: 'CVE-2026-1234' } },
  ]);
});
