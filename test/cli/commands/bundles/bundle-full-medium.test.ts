import { closeSync, openSync, writeSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { DirectoryStore } from '../../../../src/blobs/directory/directory-store.ts';
import { beginBundle, writeBundle } from '../../../../src/bundle/create/create.ts';
import { nextBundle } from '../../../../src/bundle/create/next-bundle.ts';
import { siteWish } from '../../../../src/bundle/create/site-wish.ts';
import { isWhole, verifyDirectory } from '../../../../src/bundle/verify/verify.ts';
import { Catalog } from '../../../../src/catalog/catalog.ts';
import { exitCodeOf } from '../../../../src/cli/exit-codes.ts';
import { codeOf } from '../../../../src/errors.ts';
import { mountMemory } from '../../../support/mount.ts';
import { rootIsMissing } from '../../../support/needs.ts';
import { mebibyte, useBundleSite } from './bundle-site.ts';

const { at, publish } = useBundleSite();

/** Fills a file system with a file. */
function fill(path: string): void {
  const file = openSync(path, 'w');
  const block = Buffer.alloc(4096);
  try {
    for (;;) writeSync(file, block);
  } catch (error) {
    if (codeOf(error) !== 'ENOSPC') throw error;
  } finally {
    closeSync(file);
  }
}

test.skipIf(rootIsMissing())(
  'on a medium that fills while a bundle is written, whole volumes stay, and the next attempt adds the others',
  async () => {
    await publish('large', 9 * mebibyte);
    const medium = await mountMemory('16m');
    onTestFinished(() => medium.unmount());
    const catalog = await Catalog.open(at('data/catalog.db'));
    onTestFinished(() => catalog.close());
    const store = new DirectoryStore(at('data'));
    await store.open({ create: false });
    onTestFinished(() => store.close());
    const services = { catalog, store, sign: async () => 'a signature' };
    const wish = siteWish(
      'vault-7',
      { limit: 3 * mebibyte },
      { config: { site: 'hq', streams: {} }, definition: undefined, streams: ['images'] },
    );
    const { manifest } = await nextBundle(services, wish, undefined);
    const bundle = await beginBundle(manifest, services);
    expect(manifest.volumes.count).toBeGreaterThan(3);

    const other = join(medium.path, 'other');
    let written = 0;
    const full = writeBundle(bundle, medium.path, services, {
      onBytes: (count) => {
        written += count;
        // In the middle of the second volume.
        if (written > 4 * mebibyte && written - count <= 4 * mebibyte) fill(other);
      },
    });
    const error = await full.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(exitCodeOf(error)).toBe(8);
    expect(String(error)).toContain('vault-7-0001.0002.tar: the disk is full');
    const directory = join(medium.path, 'vault-7-0001');
    expect((await readdir(directory)).sort()).toEqual(['bundle.json', 'vault-7-0001.0001.tar']);
    await rm(other);
    const { reused } = await writeBundle(bundle, medium.path, services);
    expect(reused).toBe(1);
    expect(isWhole(await verifyDirectory(directory, async () => undefined))).toBe(true);
  },
);
