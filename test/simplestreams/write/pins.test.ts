import { expect, test } from 'vitest';
import { renderProduct } from '../../../src/simplestreams/write/render.ts';
import { product } from '../../cli/versions.ts';

type Entries = Record<string, { aliases: string; versions: Record<string, unknown> }>;

function entriesOf(pins: { alias: string; serial: string }[]) {
  const key = { os: 'pushed', release: 'app', architecture: 'amd64', variant: 'default' };
  const serials = ['20260101_0000', '20260102_0000'];
  const text = renderProduct(product({ ...key, serials, aliases: ['app'], pins }));
  return Object.entries(JSON.parse(`{${text}}`) as Entries).map(([name, { aliases, versions }]) => ({
    name,
    aliases,
    serials: Object.keys(versions),
  }));
}

test('an alias pinned to the newest version stands on the product', () => {
  expect(entriesOf([{ alias: 'v2', serial: '20260102_0000' }])).toEqual([
    { name: 'pushed:app:amd64:default', aliases: 'app,v2', serials: ['20260101_0000', '20260102_0000'] },
  ]);
});

test('an older version with a pinned alias stands in an entry of its own, and nowhere else', () => {
  expect(entriesOf([{ alias: 'v1', serial: '20260101_0000' }])).toEqual([
    { name: 'pushed:app:amd64:default', aliases: 'app', serials: ['20260102_0000'] },
    { name: 'pushed:app:amd64:default:20260101_0000', aliases: 'v1', serials: ['20260101_0000'] },
  ]);
});
