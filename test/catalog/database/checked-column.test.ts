import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, test } from 'vitest';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import { isKind, messageOf } from '../../../src/errors.ts';
import { draft, openCatalog, pushDraft, scratchDirectory, stored } from '../../support/catalog.ts';

const name = 'debian:bookworm:amd64:default';

/** A catalog with one of everything, into which another program then wrote. */
async function changedBy(statement: string): Promise<Catalog> {
  const file = join(await scratchDirectory(), 'catalog.db');
  const catalog = await openCatalog(file);
  await catalog.versions.publish(draft(), stored);
  await catalog.pushed.push(pushDraft('pushed'), { assertStored: stored, quotas: {} });
  await catalog.tokens.create({ name: 'ci', actions: ['read'], streams: ['images'] });
  await catalog.mirrors.begin('linux', 'manual');
  const other = new Sqlite(file);
  other.exec(statement);
  other.close();
  return catalog;
}

const read: Record<string, (catalog: Catalog) => Promise<unknown>> = {
  product: (catalog) => catalog.products.find({ stream: 'images', name }),
  images: (catalog) => catalog.images.find(''),
  tokens: (catalog) => catalog.tokens.list(),
  runs: (catalog) => catalog.mirrors.runs('linux', 1),
  marks: (catalog) => catalog.storage.identity(),
};

test.each([
  [
    'product',
    `update products set requirements = '{'`,
    `products.requirements of ${name}: it is no JSON: it `,
  ],
  [
    'product',
    `update products set requirements = '{"a":1}'`,
    `products.requirements of ${name}: Invalid input`,
  ],
  ['product', `update items set type = 'floppy'`, 'items.type of 1: "floppy" is not known'],
  ['images', `update pushed set profiles = '["a",1]'`, 'pushed.profiles of 2: 1: Invalid input'],
  ['tokens', `update tokens set actions = '["fly"]'`, 'tokens.actions of '],
  ['tokens', `update tokens set streams = '{}'`, 'tokens.streams of '],
  ['runs', `update mirror_runs set outcome = 'luck'`, 'mirror_runs.outcome of 1: "luck" is not known'],
  [
    'runs',
    `update mirror_runs set report = '{"added":"1"}'`,
    'mirror_runs.report of 1: added: Invalid input',
  ],
  ['marks', `update storage set marks = 'null'`, 'storage.marks of 1: Invalid input'],
])(
  '%s: a row that another program changed is an error that names table and row: %s',
  async (what, statement, problem) => {
    const catalog = await changedBy(statement);
    const error: unknown = await read[what]?.(catalog).catch((reason: unknown) => reason);
    expect(isKind(error, 'unavailable')).toBe(true);
    expect(messageOf(error)).toContain(`the catalog is damaged (${problem}`);
  },
);

test('a requirement may have any name', async () => {
  const catalog = await changedBy(`update products set requirements = '{"__proto__":"yes"}'`);
  const { requirements } = (await catalog.products.find({ stream: 'images', name })) ?? {};
  expect(Object.entries(requirements ?? {})).toEqual([['__proto__', 'yes']]);
});
