import { expect, test } from 'vitest';
import { dropMirror, handOver } from '../../../src/mirror/run/drop-and-hand-over.ts';
import { siteStatus } from '../../../src/mirror/site/site-status.ts';
import { testActor } from '../../support/catalog.ts';
import { bookworm, ReceivingSite, SendingSite, trixie } from './sites.ts';

const day = 86_400_000;

test('a version that the site no longer lists is kept or retired as the definition says', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000');
  await hq.publish('bookworm', '20260102_0000');
  const first = await hq.write();
  await hq.remove(bookworm, '20260101_0000');
  const second = await hq.write();
  const keeping = await ReceivingSite.make(hq);
  for (const bundle of [first, second]) await keeping.import(bundle);
  expect(await keeping.versions()).toHaveLength(2);
  const retiring = await ReceivingSite.make(hq, { removed: 'retire' });
  await retiring.import(first);
  expect(await retiring.import(second)).toMatchObject({ outcome: 'success', report: { retired: 1 } });
  expect(await retiring.versions()).toEqual([`${bookworm}@20260102_0000`]);
  const bounded = await ReceivingSite.make(hq, { keep: { versions: 1 } });
  await bounded.import(first);
  expect(await bounded.versions()).toEqual([`${bookworm}@20260102_0000`]);
});

test('a state that shrinks by more than maxShrink is refused, and --force follows it', async () => {
  const hq = await SendingSite.make();
  for (const day of [1, 2, 3, 4, 5]) await hq.publish('bookworm', `2026010${day}_0000`);
  const vault = await ReceivingSite.make(hq, { removed: 'retire' });
  await vault.import(await hq.write());
  for (const day of [1, 2, 3]) await hq.remove(bookworm, `2026010${day}_0000`);
  const second = await hq.write();
  const before = await vault.shown();
  const refused = await vault.import(second);
  expect(refused).toMatchObject({ outcome: 'failed', error: { kind: 'conflict' } });
  expect(refused.error).toMatchObject({ message: expect.stringContaining('2 versions, 5 before') });
  expect(await vault.shown()).toEqual(before);
  expect(await vault.import(second, { force: true })).toMatchObject({ report: { retired: 3 } });
});

test('a withdrawn version is retired although removed versions are kept, unless the definition says otherwise', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000');
  await hq.publish('bookworm', '20260102_0000');
  const first = await hq.write();
  await hq.remove(bookworm, '20260101_0000');
  const withdrawn = { stream: 'images', product: bookworm, serial: '20260101_0000' };
  const second = await hq.write({
    change: (manifest) => ({
      ...manifest,
      withdrawn: [{ ...withdrawn, at: '2026-01-03T00:00:00Z', reason: 'a hole' }],
    }),
  });
  const vault = await ReceivingSite.make(hq);
  await vault.import(first);
  expect(await vault.import(second)).toMatchObject({ report: { retired: 1 } });
  expect(await vault.versions()).toEqual([`${bookworm}@20260102_0000`]);
  const keeping = await ReceivingSite.make(hq, { withdrawn: 'keep' });
  for (const bundle of [first, second]) await keeping.import(bundle);
  expect(await keeping.versions()).toHaveLength(2);
});

test('only selected versions of the chosen streams are imported, and streams may have another name here', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000');
  await hq.publish('trixie', '20260101_0000');
  await hq.publish('trixie', '20260102_0000', { stream: 'nightly', createStream: true });
  const bundle = await hq.write({ streams: ['images', 'nightly'] });
  const vault = await ReceivingSite.make(hq, {
    ...{ streams: { images: 'debian', nightly: false as const }, select: [{ release: ['book*'] }] },
  });
  const result = await vault.import(bundle);
  expect(result).toMatchObject({ outcome: 'success', report: { added: 1 } });
  expect(result.report.fetched).toBeLessThan(bundle.manifest.volumes.bytes);
  expect(await vault.shown()).toMatchObject([{ stream: 'debian', name: bookworm }]);
  // The definition decides anew: the bundle still has the rest.
  const all = await vault.with({ streams: {}, select: [{}] }).import(bundle);
  expect(all).toMatchObject({ outcome: 'success', report: { added: 3 } });
});

test('aliases of other owners are left out and reported', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000', { aliases: ['stable'] });
  const vault = await ReceivingSite.make(hq);
  const own = await SendingSite.make();
  Object.assign(own, { services: vault.services });
  await own.publish('sid', '20260101_0000', { aliases: ['stable'] });
  const result = await vault.import(await hq.write());
  expect(result.report.aliases.withheld).toEqual([{ alias: 'stable', owner: 'local' }]);
});

test('the status tells the newest bundle, its age, and what versions wait for', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000');
  await hq.write({ created: new Date('2026-01-01T00:00:00Z') });
  await hq.publish('trixie', '20260101_0000');
  const created = new Date('2026-01-10T00:00:00Z');
  const second = await hq.write({ created });
  const vault = await ReceivingSite.make(hq, { maxAge: 45 * day });
  const { catalog } = vault.services;
  expect(await siteStatus(vault.definition, catalog)).toMatchObject({
    site: 'hq',
    signed: true,
    stale: false,
  });
  await vault.import(second);
  const after = (days: number) => new Date(created.getTime() + days * day);
  expect(await siteStatus(vault.definition, catalog, after(44))).toMatchObject({
    ...{ stale: false, age: (44 * day) / 1000, lastRun: { outcome: 'partial', cause: 'bundle' } },
    bundle: { to: 'vault-7', sequence: 2, identity: second.written.identity, created },
    waiting: { versions: 1, blobs: 2, bundles: [{ sequence: 1, blobs: 2 }] },
  });
  expect(await siteStatus(vault.definition, catalog, after(46))).toMatchObject({ stale: true });
});

test('versions can be dropped, and handed over to another definition, whose imports continue', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000');
  const bundle = await hq.write();
  const vault = await ReceivingSite.make(hq);
  await vault.import(bundle);
  expect(await handOver('hq', 'headquarters', vault.services, testActor)).toBe(1);
  const renamed = vault.with({ name: 'headquarters' });
  expect(await renamed.import(bundle)).toMatchObject({ outcome: 'unchanged', report: { kept: 1 } });
  await hq.publish('trixie', '20260101_0000');
  expect(await renamed.import(await hq.write())).toMatchObject({ outcome: 'success', report: { added: 1 } });
  expect(await dropMirror('headquarters', vault.services, testActor)).toBe(2);
  expect(await renamed.import(bundle)).toMatchObject({ outcome: 'success', report: { added: 1 } });
  expect(await vault.versions()).toEqual([`${bookworm}@20260101_0000`]);
});

test('a file that "check" refuses keeps only its versions out', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000');
  await hq.publish('trixie', '20260101_0000');
  const bundle = await hq.write();
  const bad = bundle.manifest.versions
    .find(({ product }) => product === trixie)
    ?.items.find(({ type }) => type === 'squashfs');
  const vault = await ReceivingSite.make(hq, { check: ['/usr/bin/clamdscan', '{file}'] });
  expect(await vault.import(bundle)).toMatchObject({ outcome: 'failed', report: { added: 0 } });
  const seen: string[] = [];
  const check = async (blobs: readonly { digest: string }[]) => {
    seen.push(...blobs.map(({ digest }) => digest));
    return new Map([[bad?.digest.slice(7) ?? '', 'Eicar FOUND']]);
  };
  const result = await vault.import(bundle, { check });
  expect(result).toMatchObject({
    outcome: 'partial',
    report: {
      added: 1,
      failures: 1,
      failed: [{ product: trixie, error: expect.stringContaining('Eicar FOUND') }],
    },
  });
  expect(seen.sort()).toEqual(bundle.manifest.carried.map(({ digest }) => digest.slice(7)).sort());
  expect(await vault.versions()).toEqual([`${bookworm}@20260101_0000`]);
  // Files that were accepted and published are not checked once more; those of a refused version are.
  seen.length = 0;
  await vault.import(bundle, { check });
  expect(seen).toContain(bad?.digest.slice(7));
  expect(seen).toHaveLength(2);
});
