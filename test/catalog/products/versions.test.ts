import { expect, test } from 'vitest';
import { HeadwaterError } from '../../../src/errors.ts';
import { draft, scratchCatalog, sha256, stored } from '../../support/catalog.ts';

const name = 'debian:bookworm:amd64:default';

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list = [];
  for await (const item of items) list.push(item);
  return list;
}

test('a published version is found by its place, its alias and its fingerprint', async () => {
  const catalog = await scratchCatalog();
  await catalog.versions.publish(draft({ aliases: ['stable'], implied: ['debian/bookworm'] }), stored);
  const [product] = await all(catalog.products.each());
  expect(product).toMatchObject({ name, aliases: ['debian/bookworm', 'stable'], stream: 'images' });
  expect(product?.versions[0]?.items.map(({ file }) => file)).toEqual(['lxd.tar.xz', 'rootfs.squashfs']);
  expect((await catalog.products.byAlias('stable'))[0]?.name).toBe(name);
  const fingerprint = product?.versions[0]?.items[1]?.fingerprint ?? '';
  expect(await catalog.products.byFingerprint(fingerprint.slice(0, 12))).toEqual([
    { stream: 'images', product: name, serial: '20260101_0000', fingerprint },
  ]);
  const key = { os: 'debian', release: 'bookworm', architecture: 'amd64', variant: 'default' };
  expect(await catalog.products.file(key, '20260101_0000', 'rootfs.squashfs')).toMatchObject({ size: 4096 });
  expect(await catalog.products.file(key, '20260101_0000', 'nothing')).toBeUndefined();
});

test('the same serial with the same files changes nothing', async () => {
  const catalog = await scratchCatalog();
  await catalog.versions.publish(draft(), stored);
  const before = await catalog.products.find({ stream: 'images', name });
  const again = await catalog.versions.publish(draft({ label: 'other', implied: ['debian/new'] }), stored);
  expect(again.outcome).toBe('unchanged');
  expect(await catalog.products.find({ stream: 'images', name })).toEqual(before);
});

test('a serial that nobody gave is that of a version with the same files, or else the next free minute', async () => {
  const catalog = await scratchCatalog();
  await catalog.versions.publish(draft(), stored);
  const again = { ...draft({ serial: '20260105_0000' }), items: draft().items, serialIsDerived: true };
  expect(await catalog.versions.publish(again, stored)).toMatchObject({
    outcome: 'unchanged',
    serial: '20260101_0000',
  });
  const items = draft().items.map((item) => ({ ...item, digest: sha256(item.digest) }));
  const other = { ...draft(), items, serialIsDerived: true };
  expect(await catalog.versions.publish(other, stored)).toMatchObject({
    outcome: 'created',
    serial: '20260101_0001',
  });
});

test('the same serial with other files is a conflict and changes nothing', async () => {
  const catalog = await scratchCatalog();
  await catalog.versions.publish(draft(), stored);
  const before = await catalog.products.find({ stream: 'images', name });
  const other = draft({ aliases: ['new'] });
  const items = other.items.map((item) => ({ ...item, digest: sha256(item.digest) }));
  const failing = catalog.versions.publish({ ...other, items }, stored);
  await expect(failing).rejects.toThrow(/already has a version 20260101_0000 with other files/);
  expect(await catalog.products.find({ stream: 'images', name })).toEqual(before);
});

test('a blob that is not in the store keeps the whole version out', async () => {
  const catalog = await scratchCatalog();
  const missing = () => Promise.reject(new HeadwaterError('unavailable', 'gone'));
  await expect(catalog.versions.publish(draft({ aliases: ['a'], implied: ['b'] }), missing)).rejects.toThrow(
    'gone',
  );
  expect(await all(catalog.products.each())).toEqual([]);
  expect(await catalog.aliases.list()).toEqual([]);
});

test('an alias of another product is refused, and left out when it is only implied', async () => {
  const catalog = await scratchCatalog();
  await catalog.versions.publish(draft({ aliases: ['stable'] }), stored);
  const taking = catalog.versions.publish(draft({ os: 'ubuntu', aliases: ['stable'] }), stored);
  await expect(taking).rejects.toThrow(/alias stable already points to debian:bookworm:\*:default/);
  expect(
    await catalog.products.find({ stream: 'images', name: 'ubuntu:bookworm:amd64:default' }),
  ).toBeUndefined();
  const { withheldAliases } = await catalog.versions.publish(
    draft({ os: 'ubuntu', implied: ['stable', 'free'] }),
    stored,
  );
  expect(withheldAliases).toEqual([{ alias: 'stable', owner: 'debian:bookworm:*:default' }]);
  expect((await catalog.products.byAlias('stable')).map((product) => product.os)).toEqual(['debian']);
});

test('one alias serves every architecture of a release', async () => {
  const catalog = await scratchCatalog();
  await catalog.versions.publish(draft({ aliases: ['stable'] }), stored);
  await catalog.versions.publish(draft({ architecture: 'arm64', aliases: ['stable'] }), stored);
  const products = await catalog.products.byAlias('stable');
  expect(products.map(({ architecture }) => architecture)).toEqual(['amd64', 'arm64']);
});

test('a product of another owner is not joined', async () => {
  const catalog = await scratchCatalog();
  await catalog.versions.publish(draft(), stored);
  const next = { serial: '20260102_0000' };
  const someone = catalog.versions.publish(draft({ ...next, owner: 'mirror ubuntu' }), stored);
  await expect(someone).rejects.toThrow(/is owned by local/);
});

test('a removed version leaves the documents but stays fetchable until it is forgotten', async () => {
  const catalog = await scratchCatalog();
  await catalog.versions.publish(draft({ implied: ['debian/bookworm'] }), stored, { now: new Date(1000) });
  await catalog.versions.remove({ stream: 'images', name }, '20260101_0000', new Date(2000));
  expect(await all(catalog.products.each())).toEqual([]);
  const key = draft().product;
  expect(await catalog.products.file(key, '20260101_0000', 'rootfs.squashfs')).toBeDefined();
  expect(await catalog.versions.forget(new Date(2000))).toBe(0);
  expect(await catalog.versions.forget(new Date(2001))).toBe(1);
  expect(await catalog.products.file(key, '20260101_0000', 'rootfs.squashfs')).toBeUndefined();
  expect(await catalog.aliases.list()).toEqual([]);
  await expect(catalog.versions.remove({ stream: 'images', name }, '20260101_0000')).rejects.toThrow(
    /has no version/,
  );
});

test('a removed version comes back when it is published again with the same files', async () => {
  const catalog = await scratchCatalog();
  await catalog.versions.publish(draft(), stored);
  await catalog.versions.remove({ stream: 'images', name }, '20260101_0000');
  expect((await catalog.versions.publish(draft(), stored)).outcome).toBe('created');
  expect((await catalog.products.find({ stream: 'images', name }))?.versions).toHaveLength(1);
});

test('what the last publish says of a product is what it says, each field of it', async () => {
  const catalog = await scratchCatalog();
  const details = (mark: string) => ({
    osTitle: `Debian ${mark}`,
    releaseTitle: `Bookworm ${mark}`,
    releaseShown: `12 ${mark}`,
    supportEol: `2028-06-${mark}`,
    requirements: { [`secureboot-${mark}`]: '"false"' },
  });
  for (const [serial, said] of [
    ['20260101_0000', details('01')],
    ['20260102_0000', details('02')],
  ] as const) {
    await catalog.versions.publish({ ...draft({ serial }), details: said }, stored);
    expect(
      await catalog.products.find({ stream: 'images', name: 'debian:bookworm:amd64:default' }),
    ).toMatchObject(said);
  }
});
