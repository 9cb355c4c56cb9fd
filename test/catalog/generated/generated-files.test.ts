import { expect, test } from 'vitest';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import type { GeneratedKind } from '../../../src/model/generated-files.ts';
import { productName } from '../../../src/model/names.ts';
import { unlimited } from '../../../src/model/rights.ts';
import { draft, scratchCatalog, stored } from '../../support/catalog.ts';

const day = 24 * 3_600_000;
const digest = 'ab'.repeat(32);

/** Publishes a version whose root is a tarball. */
async function publish(
  catalog: Catalog,
  options: { serial?: string; file?: string; root?: string; os?: string; stream?: string } = {},
): Promise<{ stream: string; name: string }> {
  const { file = 'rootfs.tar.xz', root = 'cd'.repeat(32), ...rest } = options;
  const { items, ...version } = draft(rest);
  const [metadata] = items.filter(({ type }) => type === 'metadata');
  if (metadata === undefined) throw new Error('a draft without metadata');
  const tarball = { file, type: 'root.tar.xz', digest: root, size: 1000 } as const;
  await catalog.versions.publish({ ...version, items: [metadata, tarball] }, stored);
  return { stream: version.stream, name: productName(version.product) };
}

const lacking = async (catalog: Catalog, kind: GeneratedKind, xzStreams: string[] = []) =>
  (await catalog.generated.lacking({ kind, xzStreams, after: 0, limit: 10 })).map(
    ({ id, product, serial }) => ({ id, os: product.os, serial }),
  );

const add = async (
  catalog: Catalog,
  versionId: number,
  options: { kind?: GeneratedKind; of?: string; quota?: number } = {},
) => {
  const { kind = 'lxc-metadata', of = digest, quota } = options;
  const file = { versionId, kind, digest: of, size: 400, source: 'cd'.repeat(32) };
  const quotasOf = () => (quota === undefined ? {} : { entry: quota });
  return (await catalog.generated.add([file], { assertStored: stored, quotasOf }))[0];
};

async function idOf(catalog: Catalog): Promise<number> {
  const [version] = await catalog.generated.lacking({
    ...{ kind: 'lxc-metadata', xzStreams: [], after: 0, limit: 1 },
  });
  if (version === undefined) throw new Error('no version lacks a file');
  return version.id;
}

test('the newest version of each product with an xz root lacks the metadata of LXC, until it has it', async () => {
  const catalog = await scratchCatalog();
  await publish(catalog, { serial: '20260101_0000' });
  await publish(catalog, { serial: '20260102_0000' });
  await publish(catalog, { os: 'zipped', file: 'rootfs.tar.gz' });
  const [only, ...others] = await lacking(catalog, 'lxc-metadata');
  expect(only).toMatchObject({ os: 'debian', serial: '20260102_0000' });
  expect(others).toEqual([]);
  expect(await add(catalog, only?.id ?? 0)).toEqual({ result: true });
  expect(await lacking(catalog, 'lxc-metadata')).toEqual([]);
});

test('only stored roots of the chosen streams lack an xz form', async () => {
  const catalog = await scratchCatalog();
  const blob = { digest: 'ef'.repeat(32), size: 1000, content: '{}' };
  await publish(catalog, { file: 'rootfs.tar.gz', root: blob.digest });
  await publish(catalog, { os: 'listed', file: 'rootfs.tar.gz', root: '12'.repeat(32) });
  await publish(catalog, { os: 'other', file: 'rootfs.tar.gz', root: blob.digest, stream: 'other' });
  expect(await lacking(catalog, 'xz-root', ['images'])).toEqual([]);
  await catalog.blobs.record([blob]);
  expect(await lacking(catalog, 'xz-root', ['images'])).toMatchObject([{ os: 'debian' }]);
  expect(await lacking(catalog, 'xz-root')).toEqual([]);
});

test('a version with both files is listed for LXC, an incomplete one leaves the older one listed', async () => {
  const catalog = await scratchCatalog();
  await publish(catalog, { serial: '20260101_0000' });
  await add(catalog, await idOf(catalog));
  await publish(catalog, { serial: '20260102_0000' });
  const listed = async () => (await catalog.generated.lxcVersions('images')).map(({ serial }) => serial);
  expect(await listed()).toEqual(['20260101_0000']);
  await add(catalog, await idOf(catalog));
  expect(await listed()).toEqual(['20260102_0000']);
});

test('a generated file is known to garbage collection, and leaves with its version', async () => {
  const catalog = await scratchCatalog();
  const product = await publish(catalog);
  const old = new Date(Date.now() - day);
  await catalog.blobs.record([{ digest, size: 400, content: '{}' }], old);
  expect(await catalog.blobs.unused(new Date(), 10)).toEqual([digest]);
  await add(catalog, await idOf(catalog));
  expect(await catalog.blobs.unused(new Date(), 10)).toEqual([]);
  expect(await catalog.blobs.collect(digest, new Date(), () => Promise.resolve())).toBe(false);
  expect(await catalog.storage.versionsWith(digest)).toMatchObject([{ product: product.name }]);

  await catalog.versions.remove(product, '20260101_0000', old);
  expect(await catalog.blobs.unused(new Date(), 10)).toEqual([]);
  await catalog.versions.forget(new Date());
  expect(await catalog.blobs.unused(new Date(), 10)).toEqual([digest]);
  expect(await catalog.blobs.unknown([digest])).toEqual(new Set());
});

test('a lost file is made again', async () => {
  const catalog = await scratchCatalog();
  await publish(catalog);
  await add(catalog, await idOf(catalog));
  await catalog.storage.loseBlob({ digest, size: 400, state: 'missing', problem: 'test' }, () =>
    Promise.resolve(),
  );
  expect(await lacking(catalog, 'lxc-metadata')).toHaveLength(1);
  expect(await catalog.generated.lxcVersions('images')).toEqual([]);
});

test('a generated file counts towards the quota of its version, and is refused when it does not fit', async () => {
  const catalog = await scratchCatalog();
  const permit = { ...unlimited, uploader: 'token:ci' };
  await publish(catalog.by({ who: 'token:ci', from: '127.0.0.1', permit }));
  const used = async () => {
    const { bytes } = await catalog.pushed.allowance(
      { entry: 1_000_000 },
      { stream: 'images', pushedBy: 'token:ci' },
    );
    return 1_000_000 - bytes;
  };
  const before = await used();
  const id = await idOf(catalog);
  expect(await add(catalog, id, { quota: before + 399 })).toMatchObject({ error: { kind: 'too-large' } });
  expect(await used()).toBe(before);
  expect(await add(catalog, id, { quota: before + 400 })).toEqual({ result: true });
  expect(await used()).toBe(before + 400);
});

test('a file of a version that was removed meanwhile is not recorded', async () => {
  const catalog = await scratchCatalog();
  const product = await publish(catalog);
  const id = await idOf(catalog);
  await catalog.versions.remove(product, '20260101_0000');
  expect(await add(catalog, id)).toEqual({ result: false });
  expect(await lacking(catalog, 'lxc-metadata')).toEqual([]);
});

test('a form of the same root is found for other versions', async () => {
  const catalog = await scratchCatalog();
  await publish(catalog);
  await add(catalog, await idOf(catalog), { kind: 'xz-root' });
  expect(await catalog.generated.madeFrom('xz-root', 'cd'.repeat(32))).toEqual({ digest, size: 400 });
  expect(await catalog.generated.madeFrom('xz-root', '00'.repeat(32))).toBeUndefined();
});
