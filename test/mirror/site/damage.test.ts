import { open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { collectGarbage } from '../../../src/ops/garbage-collection.ts';
import { ReceivingSite, SendingSite, type TestBundle } from './sites.ts';

const mebibyte = 1024 * 1024;

/** Changes a byte of a file. */
async function damage(path: string, position: number): Promise<void> {
  const file = await open(path, 'r+');
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, position);
  await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, position);
  await file.close();
}

/** The numbers of all volumes. */
function allOf({ manifest }: TestBundle): number[] {
  return Array.from({ length: manifest.volumes.count }, (_, index) => index + 1);
}

/** A site with several volumes of small and large images, one of which is cut. */
async function severalVolumes() {
  const hq = await SendingSite.make();
  for (const day of [1, 2, 3, 4, 5]) await hq.publish('bookworm', `2026010${day}_0000`, {}, 900_000);
  await hq.publish('trixie', '20260106_0000', {}, 5 * mebibyte);
  const bundle = await hq.write({ limit: 2 * mebibyte });
  return { hq, bundle, volume: (number: number) => join(bundle.path, `vault-7-0001.000${number}.tar`) };
}

test('with a missing and a flipped volume, everything else is imported, and the request brings exactly the rest', async () => {
  const { hq, bundle, volume } = await severalVolumes();
  expect(bundle.manifest.volumes.count).toBeGreaterThan(3);
  await rm(volume(2));
  await damage(volume(bundle.manifest.volumes.count), 1_000_000);
  const vault = await ReceivingSite.make(hq);
  const result = await vault.import(bundle);
  expect(result.outcome).toBe('partial');
  const { added, failures, bundle: found } = result.report;
  expect(failures).toBe(0);
  expect(added).toBeGreaterThan(0);
  expect(found?.volumes.map(({ number, isMissing }) => [number, isMissing])).toEqual([
    [2, true],
    [bundle.manifest.volumes.count, false],
  ]);
  expect(added + (found?.waiting.versions ?? 0)).toBe(6);
  const [request = ''] = found?.requests ?? [];
  expect(request).toMatch(/^headwater bundle create --to vault-7 --again 1( --volume \d)+ OUTPUT$/);
  const volumes = [...request.matchAll(/--volume (\d)/g)].map(([, number]) => Number(number));
  expect(volumes.length).toBeLessThan(bundle.manifest.volumes.count);
  const rest = await vault.import(await hq.again(bundle, volumes));
  expect(rest).toMatchObject({ outcome: 'success', report: { added: 6 - added } });
  const whole = await ReceivingSite.make(hq);
  await whole.import(await hq.again(bundle, allOf(bundle)));
  expect(await vault.shown()).toEqual(await whole.shown());
});

test('a volume that is replaced on the medium completes a file that is cut', async () => {
  const { hq, bundle, volume } = await severalVolumes();
  const good = await readFile(volume(2));
  await rm(volume(2));
  const vault = await ReceivingSite.make(hq);
  expect(await vault.import(bundle)).toMatchObject({ outcome: 'partial' });
  const file = await open(volume(2), 'w');
  await file.write(good);
  await file.close();
  expect(await vault.import(bundle)).toMatchObject({ outcome: 'success' });
});

test('garbage collection spares the files of versions that wait', async () => {
  const { hq, bundle, volume } = await severalVolumes();
  await damage(volume(1), mebibyte);
  const vault = await ReceivingSite.make(hq);
  const { catalog, store } = vault.services;
  await vault.import(bundle);
  const waiting = (await catalog.received.awaited('hq')).filter(({ isStored }) => isStored);
  expect(waiting.length).toBeGreaterThan(0);
  await collectGarbage(catalog, store, { gracePeriod: -1000, keepRemoved: 0, strays: true, share: 100 });
  expect((await catalog.received.awaited('hq')).filter(({ isStored }) => isStored)).toEqual(waiting);
  // Without a mirror that waits for them, they go.
  await catalog.received.forget('hq');
  await collectGarbage(catalog, store, { gracePeriod: -1000, keepRemoved: 0, strays: true, share: 100 });
  for (const { digest } of waiting) expect(await catalog.blobs.find(digest)).toBeUndefined();
});

test('of a stream that was cut, what is whole is imported, and the rest comes with the next one', async () => {
  const hq = await SendingSite.make();
  for (const day of [1, 2, 3]) await hq.publish('bookworm', `2026010${day}_0000`, {}, 400_000);
  const stream = await hq.stream();
  for (const share of [0.05, 0.4, 0.75, 0.95]) {
    const vault = await ReceivingSite.make(hq);
    const cut = await vault.import(stream.subarray(0, Math.floor(stream.length * share)));
    expect(cut.outcome).toBe('partial');
    expect(cut.report.bundle?.volumes[0]?.problems.join()).toContain('it was cut');
    expect(cut.report.added + (cut.report.bundle?.waiting.versions ?? 0)).toBe(3);
    expect(cut.report.added).toBe(Math.floor(3 * share));
    expect(cut.report.bundle?.requests).toEqual(['headwater bundle create --to vault-7 --again 1 OUTPUT']);
    expect(await vault.import(stream)).toMatchObject({
      outcome: 'success',
      report: { added: 3 - cut.report.added },
    });
  }
});

test('files that are stored already are not written again', async () => {
  const { hq, bundle, volume } = await severalVolumes();
  await rm(volume(1));
  const vault = await ReceivingSite.make(hq);
  const { store } = vault.services;
  await vault.import(bundle);
  const times = new Map<string, number>();
  for await (const { digest, modified } of store.list()) times.set(digest, modified.getTime());
  const rest = await vault.import(await hq.again(bundle, allOf(bundle)));
  expect(rest.report.fetched).toBeLessThan(bundle.manifest.volumes.bytes);
  for await (const { digest, modified } of store.list()) {
    if (times.has(digest)) expect(modified.getTime()).toBe(times.get(digest));
  }
});

test('too little space is told before anything is written', async () => {
  const { hq, bundle } = await severalVolumes();
  const { bytes } = bundle.manifest.volumes;
  const vault = await ReceivingSite.make(hq);
  const refused = await vault.import(bundle, { freeSpace: async () => bytes - 1 });
  expect(refused).toMatchObject({ outcome: 'failed', error: { kind: 'no-space' }, report: { fetched: 0 } });
  expect(refused.error).toMatchObject({ message: expect.stringContaining(`needs ${bytes} bytes`) });
  expect(await vault.services.catalog.blobs.any()).toBe(false);
  expect(await vault.services.catalog.received.list('hq')).toEqual([]);
  expect(await vault.import(bundle, { freeSpace: async () => bytes })).toMatchObject({ outcome: 'success' });
  expect((await stat(bundle.path)).isDirectory()).toBe(true);
});
