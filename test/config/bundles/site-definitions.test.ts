import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadSites } from '../../../src/config/bundles/site-definitions.ts';
import { scratchDirectory } from '../../support/catalog.ts';

async function load(files: Record<string, string>) {
  const directory = join(await scratchDirectory(), 'bundles');
  await mkdir(directory);
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  return loadSites(directory);
}

test('a site needs no key: it has all versions of all public streams', async () => {
  const sites = await load({ 'vault-7.yaml': '', 'notes.txt': 'no site', '.hidden.yaml': 'nothing' });
  expect([...sites]).toEqual([['vault-7', { select: [{}], keep: {}, overlap: 0 }]]);
});

test('a missing directory has no sites', () => {
  expect(loadSites('/nowhere/at/all')).toEqual(new Map());
});

test('every key is read: sizes are bytes, durations milliseconds', async () => {
  const sites = await load({
    'vault-7.yaml': `
select:
  - {os: debian, release: [bookworm, '!sid'], architecture: amd64, variant: default, type: container, label: release}
  - {os: alpine}
streams: [images, nightly]
keep: {versions: 2, age: 90d}
volume: dvd
maxSize: 60GiB
overlap: 2
receiptKeyring: keys/vault-7.gpg
`,
    'ship.yaml': 'volume: 2GiB',
  });
  expect(sites.get('vault-7')).toEqual({
    select: [
      {
        ...{ os: ['debian'], release: ['bookworm', '!sid'], architecture: ['amd64'] },
        ...{ variant: ['default'], type: ['container'], label: ['release'] },
      },
      { os: ['alpine'] },
    ],
    streams: ['images', 'nightly'],
    keep: { versions: 2, age: 90 * 86_400_000 },
    volume: 4_700_000_000,
    maxSize: 60 * 2 ** 30,
    overlap: 2,
    receiptKeyring: expect.stringMatching(/^\/.*\/bundles\/keys\/vault-7\.gpg$/),
  });
  expect(sites.get('ship')?.volume).toBe(2 ** 31);
});

test.each([
  [
    'a.yaml',
    'volume: floppy',
    /a\.yaml:1: volume: expected fat32, dvd, bd, or a size such as 2GiB, but it is/,
  ],
  ['a.yaml', 'overlap: -1', /a\.yaml:1: overlap: expected a whole number from 0 to 1000, but it is -1/],
  ['a.yaml', 'select: [{ftype: squashfs}]', /a\.yaml:1: select\.0\.ftype: unknown setting/],
  ['a.yaml', 'select: []', /expected at least one rule; to select everything, remove the key/],
  ['a.yaml', 'streams: []', /expected a list of streams, such as \[images\]/],
  ['a.yaml', 'streams: [A]', /streams\.0: expected the name of a stream/],
  ['a.yaml', 'keep: {removed: retire}', /keep\.removed: unknown setting/],
  ['a.yaml', 'url: https://a', /url: unknown setting/],
  ['Vault.yaml', '', /Vault\.yaml: the file name is the name of the site/],
])('%s with %j is refused', async (name, text, message) => {
  await expect(load({ [name]: text })).rejects.toThrow(message);
});

test('the errors of all files are reported at once', async () => {
  const both = load({ 'a.yaml': 'overlap: x', 'b.yaml': 'volume: x' });
  await expect(both).rejects.toThrow(/a\.yaml:1: overlap.*b\.yaml:1: volume/s);
});
