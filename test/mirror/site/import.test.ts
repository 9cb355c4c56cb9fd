import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseDigest } from '../../../src/model/digest.ts';
import { bookworm, ReceivingSite, SendingSite, trixie } from './sites.ts';

test('an import publishes what the bundle lists, with aliases, title, end of life and requirements', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000', {
    ...{ aliases: ['stable'], title: 'Debian 12', eol: '2028-06-30', osTitle: 'Debian' },
    ...{ label: 'daily', requirements: { secureboot: 'false' } },
  });
  await hq.publish('trixie', '20260102_0000');
  const vault = await ReceivingSite.make(hq);
  const bundle = await hq.write();
  const result = await vault.import(bundle);
  expect(result).toMatchObject({ outcome: 'success', report: { added: 2, failures: 0, warnings: [] } });
  expect(result.report.fetched).toBe(bundle.manifest.volumes.bytes);
  const product = await vault.services.catalog.products.find({ stream: 'images', name: bookworm });
  expect(product).toMatchObject({
    owner: 'mirror:hq',
    aliases: ['debian/bookworm', 'debian/bookworm/default', 'stable'],
    ...{ osTitle: 'Debian', releaseTitle: 'Debian 12', supportEol: '2028-06-30' },
    requirements: { secureboot: 'false' },
    versions: [{ serial: '20260101_0000', label: 'daily' }],
  });
  const outside = await hq.services.catalog.products.find({ stream: 'images', name: bookworm });
  expect(product?.versions[0]?.items).toEqual(outside?.versions[0]?.items);
  for (const { digest, size } of bundle.manifest.carried) {
    expect(await vault.services.store.stat(parseDigest(digest))).toMatchObject({ size });
  }
});

test('the same bundle again changes nothing', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000');
  const vault = await ReceivingSite.make(hq);
  const bundle = await hq.write();
  await vault.import(bundle);
  const [before, entries] = [await vault.shown(), await vault.services.catalog.audit.list({ limit: 100 })];
  const again = await vault.import(bundle);
  expect(again).toMatchObject({ outcome: 'unchanged', report: { added: 0, retired: 0, fetched: 0 } });
  expect(await vault.shown()).toEqual(before);
  expect(await vault.services.catalog.audit.list({ limit: 100 })).toEqual(entries);
});

test('bundles may come in any order: versions wait for the bundles with their files, and are seen only whole', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000');
  const first = await hq.write();
  await hq.publish('bookworm', '20260102_0000');
  await hq.publish('trixie', '20260102_0000');
  const second = await hq.write();
  await hq.publish('trixie', '20260103_0000', { aliases: ['testing'] });
  const third = await hq.write();
  const vault = await ReceivingSite.make(hq);
  const one = await vault.import(third);
  expect(one).toMatchObject({ outcome: 'partial', report: { added: 1, failures: 0 } });
  expect(one.report.bundle?.waiting).toMatchObject({
    versions: 3,
    bundles: [{ sequence: 1 }, { sequence: 2, bytes: second.manifest.volumes.bytes }],
  });
  expect(one.report.bundle?.requests).toEqual([
    'headwater bundle create --to vault-7 --again 1 OUTPUT',
    'headwater bundle create --to vault-7 --again 2 OUTPUT',
  ]);
  expect(await vault.versions()).toEqual([`${trixie}@20260103_0000`]);
  expect(await vault.import(first)).toMatchObject({ outcome: 'partial', report: { added: 1 } });
  expect(await vault.import(second)).toMatchObject({ outcome: 'success', report: { added: 2 } });
  const inOrder = await ReceivingSite.make(hq);
  for (const bundle of [first, second, third]) await inOrder.import(bundle);
  expect(await vault.shown()).toEqual(await inOrder.shown());
  expect(await vault.versions()).toHaveLength(4);
});

test('an older bundle moves nothing back', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000', { aliases: ['stable'], title: 'Old' });
  await hq.publish('trixie', '20260101_0000');
  const first = await hq.write();
  await hq.services.catalog.aliases.unset('stable');
  await hq.publish('trixie', '20260102_0000', { aliases: ['stable'] });
  await hq.publish('bookworm', '20260102_0000', { title: 'New' });
  await hq.remove(bookworm, '20260101_0000');
  const vault = await ReceivingSite.make(hq, { removed: 'retire' });
  await vault.import(await hq.write());
  await vault.import(first);
  expect(await vault.versions()).toEqual([
    `${bookworm}@20260102_0000`,
    `${trixie}@20260101_0000`,
    `${trixie}@20260102_0000`,
  ]);
  expect(await vault.services.catalog.products.find({ stream: 'images', name: bookworm })).toMatchObject({
    ...{ releaseTitle: 'New', aliases: ['debian/bookworm', 'debian/bookworm/default'] },
  });
  expect((await vault.services.catalog.aliases.named('stable'))[0]?.products).toEqual([trixie]);
});

test('nothing is written beside the bundle', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000');
  const { path } = await hq.write();
  const look = async () => {
    const names = ['.', ...(await readdir(path))];
    return await Promise.all(
      names.map(async (name) => {
        const { mtimeMs, ctimeMs, size } = await stat(join(path, name));
        return { name, mtimeMs, ctimeMs, size };
      }),
    );
  };
  const before = await look();
  await (await ReceivingSite.make(hq)).import(path);
  expect(await look()).toEqual(before);
});
