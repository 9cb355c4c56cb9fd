import { stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Catalog } from '../../../src/catalog/catalog.ts';
import { Reserve } from '../../../src/catalog/database/reserve.ts';
import { HeadwaterError } from '../../../src/errors.ts';
import { draft, openCatalog, scratchDirectory, stored, testActor } from '../../support/catalog.ts';
import { mountMemory } from '../../support/mount.ts';
import { rootIsMissing } from '../../support/needs.ts';

const mebibyte = 2 ** 20;
const full = () => Promise.reject(new HeadwaterError('no-space', 'full'));

test('is filled up once, is spent in portions, and then what needs space fails', async () => {
  const directory = await scratchDirectory();
  const reserve = new Reserve(directory);
  expect(await reserve.restore()).toBe(true);
  const whole = await reserve.space();
  expect(whole.reserved).toBe(8 * mebibyte);
  expect(whole.wanted).toBe(whole.reserved);
  // The blocks are really there.
  expect((await stat(join(directory, 'reserve'))).blocks * 512).toBeGreaterThanOrEqual(whole.reserved);

  let tries = 0;
  const third = () => (++tries < 3 ? full() : Promise.resolve('done'));
  expect(await reserve.spend(third)).toBe('done');
  const { reserved } = await reserve.space();
  expect(reserved).toBeGreaterThan(4 * mebibyte);
  expect(reserved).toBeLessThan(whole.reserved);

  await expect(reserve.spend(full)).rejects.toMatchObject({ kind: 'no-space' });
  expect((await reserve.space()).reserved).toBe(0);
  expect(await reserve.restore()).toBe(true);
  expect((await reserve.space()).reserved).toBe(whole.reserved);
});

test('is not spent on what fails for another reason', async () => {
  const reserve = new Reserve(await scratchDirectory());
  await reserve.restore();
  const failing = () => Promise.reject(new HeadwaterError('unavailable', 'locked'));
  await expect(reserve.spend(failing)).rejects.toMatchObject({ kind: 'unavailable' });
  expect((await reserve.space()).reserved).toBe(8 * mebibyte);
});

test.skipIf(rootIsMissing())(
  'on a full disk the catalog is opened, and versions are removed, but none is published',
  async () => {
    const disk = await mountMemory('24m');
    onTestFinished(() => disk.unmount());
    const file = join(disk.path, 'catalog.db');
    const catalog = (await Catalog.open(file)).by(testActor);
    const { product } = draft();
    const name = `${product.os}:${product.release}:${product.architecture}:${product.variant}`;
    await catalog.versions.publish(draft({ serial: '20260101_0000' }), stored);
    await catalog.versions.publish(draft({ serial: '20260102_0000' }), stored);
    expect(await catalog.reserve.restore()).toBe(true);
    const { reserved } = await catalog.reserve.space();
    expect(reserved).toBeLessThan(mebibyte);
    // The log and its index go with the last connection: whoever comes next needs space for both.
    await catalog.close();
    const filler = join(disk.path, 'filler');
    await expect(writeFile(filler, Buffer.alloc(32 * mebibyte))).rejects.toMatchObject({ code: 'ENOSPC' });

    const again = await openCatalog(file);
    await again.versions.remove({ stream: 'images', name }, '20260101_0000');
    const { secret } = await again.tokens.create({ name: 'someone', actions: ['remove'] });
    expect(await again.tokens.authenticate(secret)).toMatchObject({ name: 'someone' });
    expect(
      (await again.products.find({ stream: 'images', name }))?.versions.map(({ serial }) => serial),
    ).toEqual(['20260102_0000']);
    expect(await again.reserve.restore()).toBe(false);
    const content = JSON.stringify('x'.repeat(mebibyte));
    await expect(again.blobs.record([{ digest: 'large', size: 1, content }])).rejects.toMatchObject({
      kind: 'no-space',
    });

    await truncate(filler, 0);
    expect(await again.reserve.restore()).toBe(true);
    expect((await again.reserve.space()).reserved).toBe(reserved);
  },
);
