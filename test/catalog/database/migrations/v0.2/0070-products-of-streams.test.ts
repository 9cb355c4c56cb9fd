import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { Kysely, Migrator, SqliteDialect } from 'kysely';
import { expect, test } from 'vitest';
import { migrations } from '../../../../../src/catalog/database/migrations/migrations.ts';
import { draft, openCatalog, scratchDirectory, stored } from '../../../../support/catalog.ts';

/** A catalog file as it was before the same product could be in several streams, filled by `statements`. */
async function oldCatalog(statements: string): Promise<string> {
  const file = join(await scratchDirectory(), 'catalog.db');
  const database = new Sqlite(file);
  database.pragma('foreign_keys = on');
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database }) });
  const before = Object.fromEntries(Object.entries(migrations).filter(([name]) => name < '0070'));
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(before) } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
  database.exec(statements);
  await db.destroy();
  return file;
}

const product = (id: number, os: string, architecture: string, stream: string) =>
  `insert into products values (${id}, '${os}:bookworm:${architecture}:default', '${os}', 'bookworm', '${architecture}',
    'default', '${stream}', 'local', 'Debian', 'Bookworm', null, '{}', ${id}, null);
   insert into versions (id, product_id, serial, label, published_at) values (${id}, ${id}, '20260101_0000', 'release', 0);
   insert into items values (${id}, 'rootfs.squashfs', 'squashfs', 'digest ${id}', 1, 'f${id}', null);`;

const alias = (name: string, os: string, version = 'null') =>
  `insert into aliases (name, os, release, variant, description, version_id)
    values ('${name}', '${os}', 'bookworm', 'default', 'said of ${name}', ${version});`;

test('an existing catalog keeps its products, versions, paths and aliases, each in its stream', async () => {
  const file = await oldCatalog(
    [
      product(1, 'debian', 'amd64', 'images'),
      product(2, 'debian', 'arm64', 'ports'),
      product(3, 'alpine', 'amd64', 'images'),
      alias('debian/bookworm', 'debian'),
      alias('alpine', 'alpine'),
      alias('pinned', 'debian', '2'),
      alias('nothing', 'gentoo'),
      'update revision set value = 3;',
    ].join('\n'),
  );
  const catalog = await openCatalog(file);
  expect(await catalog.damage()).toBeUndefined();
  expect((await catalog.changes.since(2)).products).toEqual([
    { name: 'alpine:bookworm:amd64:default', stream: 'images' },
  ]);
  const shown = [];
  for await (const { name, stream, place, aliases, pins, versions } of catalog.products.each()) {
    shown.push({ name, stream, place, aliases, pins, items: versions.flatMap(({ items }) => items.length) });
  }
  expect(shown).toEqual([
    { name: 'alpine:bookworm:amd64:default', stream: 'images', aliases: ['alpine'], pins: [], items: [1] },
    {
      name: 'debian:bookworm:amd64:default',
      stream: 'images',
      aliases: ['debian/bookworm'],
      pins: [],
      items: [1],
    },
    {
      name: 'debian:bookworm:arm64:default',
      stream: 'ports',
      aliases: ['debian/bookworm'],
      pins: [{ alias: 'pinned', serial: '20260101_0000' }],
      items: [1],
    },
  ]);
  expect(
    (await catalog.aliases.list()).map(({ stream, name, description }) => [stream, name, description]),
  ).toEqual([
    ['images', 'alpine', 'said of alpine'],
    ['images', 'debian/bookworm', 'said of debian/bookworm'],
    ['ports', 'debian/bookworm', 'said of debian/bookworm'],
    ['ports', 'pinned', 'said of pinned'],
  ]);
  const key = { os: 'debian', release: 'bookworm', architecture: 'arm64', variant: 'default' };
  expect(await catalog.products.file(key, '20260101_0000', 'rootfs.squashfs')).toMatchObject({
    digest: 'digest 2',
    stream: 'ports',
  });

  // Ids go on where they were, and what refers to products and versions still does.
  await catalog.versions.publish(draft({ stream: 'ports', implied: ['debian/bookworm'] }), stored);
  await catalog.versions.remove(
    { stream: 'ports', name: 'debian:bookworm:arm64:default' },
    '20260101_0000',
    new Date(0),
  );
  expect(await catalog.versions.forget(new Date())).toBe(1);
  expect(
    (await catalog.products.named('debian:bookworm:amd64:default')).map(({ stream, place }) => [
      stream,
      place,
    ]),
  ).toEqual([
    ['images', undefined],
    ['ports', 'ports'],
  ]);
  expect(await catalog.products.named('debian:bookworm:arm64:default')).toEqual([]);
});
