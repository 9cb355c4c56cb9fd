import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, test } from 'vitest';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import type { PushDraft } from '../../../src/catalog/images/pushed.ts';
import {
  draft,
  openCatalog,
  pushDraft,
  scratchCatalog,
  scratchDirectory,
  stored,
} from '../../support/catalog.ts';

const noon = new Date('2026-03-01T12:00:00Z');

const push = (catalog: Catalog, draft: PushDraft, options: { keep?: number; quotas?: object } = {}) =>
  catalog.pushed.push(draft, { assertStored: stored, quotas: {}, now: noon, ...options });

/** The fingerprint that an alias leads to, and the places of all images there are. */
async function state(catalog: Catalog) {
  const aliases: Record<string, string> = {};
  for (const { name } of await catalog.aliases.list()) {
    const [first] = (await catalog.images.byAlias(name)).filter(
      ({ newest, aliases: { pinned } }) => pinned.some((alias) => alias.name === name) || newest,
    );
    aliases[name] = first?.fingerprint ?? 'nothing';
  }
  const places = [];
  for await (const { product, serial } of catalog.images.each()) places.push(`${product.name} ${serial}`);
  return { aliases, places: places.sort() };
}

test('an image pushed with an alias is a version of the product of the alias, whatever its metadata claims', async () => {
  const catalog = await scratchCatalog();
  await catalog.versions.publish(draft({ os: 'ubuntu', aliases: ['ubuntu/jammy'] }), stored);
  await push(catalog, pushDraft('one', { aliases: [{ name: 'team/app' }] }));
  await push(catalog, pushDraft('two', { aliases: [{ name: 'team/app' }] }));
  const product = await catalog.products.find({ stream: 'pushed', name: 'pushed:team+app:amd64:default' });
  expect(product?.versions.map(({ serial }) => serial)).toEqual(['20260301_1200', '20260301_1201']);
  expect(product).toMatchObject({ aliases: ['team/app'], osTitle: 'Ubuntu', releaseShown: 'jammy' });
  expect((await state(catalog)).aliases['team/app']).toBe(pushDraft('two').fingerprint);
  expect((await catalog.products.byAlias('ubuntu/jammy'))[0]?.versions).toHaveLength(1);
});

test('an image pushed without an alias moves into the product of the alias that it is given', async () => {
  const catalog = await scratchCatalog();
  await push(catalog, pushDraft('one', { aliases: [{ name: 'app' }] }));
  const place = await push(catalog, pushDraft('two'));
  expect(place.product).toMatch(/^pushed:0~i[0-9a-f]{61}:amd64:default$/);
  await catalog.imageAliases.remove('pushed', 'app', noon);
  await catalog.imageAliases.set({ name: 'app' }, place, noon);
  expect(await state(catalog)).toEqual({
    aliases: { app: pushDraft('two').fingerprint },
    places: ['pushed:app:amd64:default 20260301_1200', 'pushed:app:amd64:default 20260301_1201'],
  });
  const old = await catalog.products.find({ stream: 'pushed', name: place.product }, { removed: true });
  expect(old?.versions, 'its files stay fetchable at the old place').toHaveLength(1);
});

test('an alias set to an older version is pinned there until it is pushed again', async () => {
  const catalog = await scratchCatalog();
  const old = await push(catalog, pushDraft('one', { aliases: [{ name: 'app' }] }));
  await push(catalog, pushDraft('two', { aliases: [{ name: 'app' }] }));
  await catalog.imageAliases.set({ name: 'app', from: 'pushed' }, old, noon);
  expect((await state(catalog)).aliases).toEqual({ app: pushDraft('one').fingerprint });
  expect((await catalog.aliases.named('app'))[0]).toMatchObject({
    pinned: { product: old.product, serial: old.serial },
  });
  await push(catalog, pushDraft('three', { aliases: [{ name: 'app' }] }));
  expect((await state(catalog)).aliases).toEqual({ app: pushDraft('three').fingerprint });
  expect((await catalog.aliases.named('app'))[0]).not.toHaveProperty('pinned');
});

test('the same image again changes nothing but its aliases', async () => {
  const catalog = await scratchCatalog();
  const first = await push(catalog, pushDraft('one', { aliases: [{ name: 'app' }] }));
  const again = await push(catalog, pushDraft('one', { aliases: [{ name: 'app' }, { name: 'other' }] }));
  expect(again).toEqual({ ...first, outcome: 'unchanged' });
  expect(await state(catalog)).toEqual({
    aliases: { app: pushDraft('one').fingerprint, other: pushDraft('one').fingerprint },
    places: ['pushed:app:amd64:default 20260301_1200'],
  });
});

test('an alias keeps its product when it is renamed, and the old name gets a product of its own', async () => {
  const catalog = await scratchCatalog();
  await push(catalog, pushDraft('one', { aliases: [{ name: 'app' }] }));
  await catalog.imageAliases.rename('pushed', 'app', 'old-app');
  await push(catalog, pushDraft('two', { aliases: [{ name: 'app' }] }));
  await push(catalog, pushDraft('three', { aliases: [{ name: 'old-app' }] }));
  expect(await state(catalog)).toEqual({
    aliases: { app: pushDraft('two').fingerprint, 'old-app': pushDraft('three').fingerprint },
    places: [
      'pushed:app:amd64:2 20260301_1200',
      'pushed:app:amd64:default 20260301_1200',
      'pushed:app:amd64:default 20260301_1201',
    ],
  });
});

test('nobody takes over an alias of what was published', async () => {
  const catalog = await scratchCatalog();
  await catalog.versions.publish(draft({ aliases: ['stable'] }), stored);
  const stealing = push(catalog, pushDraft('one', { aliases: [{ name: 'stable' }] }));
  await expect(stealing).rejects.toThrow(/alias stable points to .* owned by local/);
  expect((await state(catalog)).places).toEqual(['debian:bookworm:amd64:default 20260101_0000']);
});

test('a removed alias is gone at once, but documents keep it until it is forgotten', async () => {
  const catalog = await scratchCatalog();
  await push(catalog, pushDraft('one', { aliases: [{ name: 'app' }] }));
  await catalog.imageAliases.remove('pushed', 'app', noon);
  expect(await catalog.aliases.named('app')).toEqual([]);
  expect(await catalog.images.byAlias('app')).toEqual([]);
  const shown = async () => {
    for await (const { aliases } of catalog.products.each({ forDocuments: true })) return aliases;
    return undefined;
  };
  expect(await shown()).toEqual(['app']);
  expect(await catalog.imageAliases.forget(noon)).toBe(0);
  expect(await catalog.imageAliases.forget(new Date(noon.getTime() + 1))).toBe(1);
  expect(await shown()).toEqual([]);
});

test('removing the image that an alias leads to removes the alias', async () => {
  const catalog = await scratchCatalog();
  await push(catalog, pushDraft('one', { aliases: [{ name: 'app' }] }));
  const newest = await push(catalog, pushDraft('two', { aliases: [{ name: 'app' }, { name: 'v2' }] }));
  await catalog.pushed.remove(newest, noon);
  expect(await state(catalog)).toEqual({ aliases: {}, places: ['pushed:app:amd64:default 20260301_1200'] });
});

test('retention removes what is beyond, but not what an alias is pinned to', async () => {
  const catalog = await scratchCatalog();
  const first = await push(catalog, pushDraft('one', { aliases: [{ name: 'app' }] }));
  await push(catalog, pushDraft('two', { aliases: [{ name: 'app' }] }));
  await catalog.imageAliases.set({ name: 'v1' }, first, noon);
  await push(catalog, pushDraft('three', { aliases: [{ name: 'app' }] }), { keep: 1 });
  expect(await state(catalog)).toEqual({
    aliases: { app: pushDraft('three').fingerprint, v1: pushDraft('one').fingerprint },
    places: ['pushed:app:amd64:default 20260301_1200', 'pushed:app:amd64:default 20260301_1202'],
  });
});

test('a push over a quota leaves nothing', async () => {
  const catalog = await scratchCatalog();
  await push(catalog, pushDraft('one'));
  for (const quotas of [{ stream: 5000 }, { entry: 5000 }]) {
    await expect(push(catalog, pushDraft('two'), { quotas })).rejects.toThrow(/quota of .* is 5000 bytes/);
  }
  expect((await state(catalog)).places).toHaveLength(1);
});

test('what documents say of a product is not taken from a private version', async () => {
  const catalog = await scratchCatalog();
  const aliases = [{ name: 'app' }];
  const details = { osTitle: 'Secret', releaseTitle: 'secret', requirements: {} };
  await push(catalog, pushDraft('one', { aliases }));
  await push(catalog, pushDraft('two', { aliases, hidden: true, details }));
  const place = await push(catalog, pushDraft('three', { hidden: true, details }));
  await catalog.imageAliases.set({ name: 'app', from: 'pushed' }, place, noon);
  const product = await catalog.products.find({ stream: 'pushed', name: 'pushed:app:amd64:default' });
  expect(product?.versions).toHaveLength(3);
  expect(product?.osTitle).toBe('Ubuntu');
  await push(catalog, pushDraft('four', { aliases, details }));
  expect((await catalog.products.find({ stream: 'pushed', name: 'pushed:app:amd64:default' }))?.osTitle).toBe(
    'Secret',
  );
});

test('an alias that was renamed gets another product; one that was renamed too often is refused', async () => {
  const pushAfter = async (renames: number) => {
    const file = join(await scratchDirectory(), 'catalog.db');
    const catalog = await openCatalog(file);
    const database = new Sqlite(file);
    const insert = database.prepare(
      "insert into aliases (name, stream, os, release, variant) values (?, 'pushed', 'pushed', 'app', ?)",
    );
    database.transaction(() => {
      for (let count = 1; count <= renames; count++)
        insert.run(`app-${count}`, count === 1 ? 'default' : `${count}`);
    })();
    database.close();
    return await push(catalog, pushDraft('one', { aliases: [{ name: 'app' }] }));
  };
  expect((await pushAfter(1)).product).toBe('pushed:app:amd64:2');
  expect((await pushAfter(999)).product).toBe('pushed:app:amd64:1000');
  await expect(pushAfter(1000)).rejects.toMatchObject({
    kind: 'conflict',
    message: 'alias app was renamed too often: choose another name',
  });
});
