import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Digest } from '../../src/model/digest.ts';
import { sweep } from '../../src/ops/garbage-collection.ts';
import { confirmOwnership } from '../../src/ops/store-owner.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { gracePeriod, keep, World } from './collection-world.ts';

const hour = 3_600_000;
let directory: string;
let world: World;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: new Date('2026-06-01T00:00:00Z') });
  directory = await mkdtemp(join(tmpdir(), 'headwater-collection-'));
  world = new World(new MemoryStore(), directory);
});

afterEach(async () => {
  vi.useRealTimers();
  await world.close();
  await rm(directory, { recursive: true });
});

const pass = (milliseconds: number) => vi.setSystemTime(Date.now() + milliseconds);

describe('the catalog is lost', () => {
  test('nothing is taken out of the store, however often it is collected', async () => {
    const digests = [await world.publish(), await world.publish(), await world.publish()];
    await world.start();
    await world.loseCatalog();
    for (let round = 0; round < 5; round++) {
      pass(10 * 24 * hour);
      await world.start();
      const { ownership, ...collected } = await world.collect();
      expect(ownership).toMatchObject({ owned: false, obstacle: 'other-catalog' });
      expect(ownership).toHaveProperty('message', expect.stringContaining('headwater storage adopt'));
      expect(collected).toEqual({ versions: 0, blobs: 0, strays: 0, returned: 0, removed: 0 });
    }
    expect([...world.store.blobs.keys()]).toEqual(digests);
  });

  test('also when the store never said whose it is', async () => {
    const digests = [await world.publish(), await world.publish()];
    await world.loseCatalog();
    pass(10 * 24 * hour);
    expect((await world.collect()).ownership).toMatchObject({ owned: false, obstacle: 'no-owner' });
    // What is published since does not make the catalog the owner.
    digests.push(await world.publish());
    pass(10 * 24 * hour);
    expect((await world.collect()).ownership).toMatchObject({ owned: false, obstacle: 'no-owner' });
    expect([...world.store.blobs.keys()]).toEqual(digests);
  });

  test('a catalog that adopts the store sets the old blobs aside, and a restored one has them back', async () => {
    const old = await world.publish();
    await world.start();
    await world.backup();
    await world.loseCatalog();
    await world.adopt();
    pass(gracePeriod + 1);
    expect(await world.collect()).toMatchObject({ ownership: { owned: true }, strays: 1 });
    expect(world.store.blobs.has(old)).toBe(false);
    pass(keep - 1);
    expect(await world.collect()).toMatchObject({ removed: 0 });
    await world.restore(0);
    await world.start();
    expect(world.store.blobs.has(old)).toBe(true);
    // It still has to be adopted before anything is removed.
    expect((await world.collect()).ownership).toMatchObject({ owned: false, obstacle: 'other-catalog' });
    await world.adopt();
    expect((await world.collect()).ownership).toMatchObject({ owned: true });
  });
});

describe('a backup is restored', () => {
  test('what came after it stays', async () => {
    const before = await world.publish();
    await world.start();
    await world.backup();
    const after = await world.publish();
    await world.start();
    await world.restore(0);
    // Changes since do not make it the newer one.
    for (let count = 0; count < 20; count++) await world.publish();
    pass(10 * 24 * hour);
    expect((await world.collect()).ownership).toMatchObject({ owned: false, obstacle: 'older-catalog' });
    expect([world.store.blobs.has(before), world.store.blobs.has(after)]).toEqual([true, true]);
  });

  test('once it is adopted, what came after it is set aside, and removed at last', async () => {
    await world.publish();
    await world.start();
    await world.backup();
    const after = await world.publish();
    await world.start();
    await world.restore(0);
    await world.adopt();
    pass(gracePeriod + 1);
    await world.collect();
    expect([world.store.blobs.has(after), world.has(after)]).toEqual([false, true]);
    pass(keep);
    expect(await world.collect()).toMatchObject({ removed: 1 });
    expect(world.has(after)).toBe(false);
  });

  test('it names what was removed since: that is back', async () => {
    const removed = await world.publish();
    await world.start();
    await world.backup();
    await world.removeOldest();
    pass(gracePeriod + 1);
    expect(await world.collect()).toMatchObject({ versions: 1, blobs: 1 });
    expect(world.store.blobs.has(removed)).toBe(false);
    await world.restore(0);
    await world.start();
    expect(await world.named()).toEqual([removed]);
    expect(world.store.blobs.has(removed)).toBe(true);
  });
});

describe('a store without a record', () => {
  test('becomes the catalog’s that knows most of its blobs', async () => {
    for (let count = 0; count < 9; count++) await world.publish();
    const stray = 'ab'.repeat(32) as Digest;
    world.store.blobs.set(stray, { bytes: Buffer.from('stray'), modified: new Date() });
    expect(await confirmOwnership(await world.catalog(), world.store)).toMatchObject({ owned: true });
    pass(gracePeriod + 1);
    expect(await world.collect()).toMatchObject({ strays: 1, blobs: 0 });
    expect(world.store.setAsideBlobs.has(stray)).toBe(true);
  });

  test('is not remade when it has none of the blobs that the catalog names', async () => {
    await world.publish();
    world.store.blobs.clear();
    expect(await confirmOwnership(await world.catalog(), world.store)).toMatchObject({
      obstacle: 'empty-store',
    });
  });
});

describe('a sweep', () => {
  const addStrays = (count: number) => {
    for (let index = 0; index < count; index++) {
      const digest = index.toString(16).padStart(64, '0') as Digest;
      world.store.blobs.set(digest, { bytes: Buffer.from('stray'), modified: new Date() });
    }
  };

  test('that would take more than a share stops, says so, and goes on when told to', async () => {
    for (let count = 0; count < 20; count++) await world.publish();
    await world.start();
    addStrays(11);
    pass(gracePeriod + 1);
    expect(await world.collect()).toMatchObject({ ownership: { owned: true }, strays: 0 });
    const { storage } = await world.catalog();
    expect(await storage.stoppedSweep()).toMatchObject({ unknown: 11, blobs: 31 });
    expect(world.store.blobs.size).toBe(31);
    expect(await sweep(await world.catalog(), world.store, { before: new Date(), share: 100 })).toBe(11);
    expect(await storage.stoppedSweep()).toBeUndefined();
    expect([world.store.blobs.size, world.store.setAsideBlobs.size]).toEqual([20, 11]);
  });

  test('takes a few, whatever share they are', async () => {
    await world.publish();
    await world.start();
    addStrays(10);
    pass(gracePeriod + 1);
    expect(await world.collect()).toMatchObject({ strays: 10 });
  });

  test('leaves alone what is younger than the grace period', async () => {
    await world.publish();
    await world.start();
    addStrays(1);
    pass(gracePeriod - 1);
    expect(await world.collect()).toMatchObject({ strays: 0 });
  });
});

type Step =
  | { kind: 'publish' | 'removeOldest' | 'backup' | 'loseCatalog' | 'start' | 'adopt' | 'collect' }
  | { kind: 'restore'; which: number }
  | { kind: 'pass'; hours: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ kind: 'publish' }) },
  fc.constant<Step>({ kind: 'removeOldest' }),
  fc.constant<Step>({ kind: 'backup' }),
  fc.constant<Step>({ kind: 'loseCatalog' }),
  fc.constant<Step>({ kind: 'start' }),
  fc.constant<Step>({ kind: 'adopt' }),
  { weight: 4, arbitrary: fc.constant<Step>({ kind: 'collect' }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('restore' as const), which: fc.nat(5) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), hours: fc.integer({ min: 1, max: 40 }) }),
  },
);

test('nothing that was named within the time that blobs are set aside is ever lost', {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
      const place = await mkdtemp(join(directory, 'world-'));
      const tried = new World(new MemoryStore(), place);
      /** When a catalog that was in place last named a blob. */
      const lastNamed = new Map<Digest, number>();
      for (const one of steps) {
        for (const digest of await tried.named()) lastNamed.set(digest, Date.now());
        const held = new Set([...lastNamed.keys()].filter((digest) => tried.has(digest)));
        if (one.kind === 'pass') pass(one.hours * hour);
        else if (one.kind === 'restore') await tried.restore(one.which);
        else if (one.kind === 'collect') {
          const { ownership } = await tried.collect();
          const lost = [...held].filter((digest) => !tried.has(digest));
          if (!ownership.owned) expect(lost).toEqual([]);
          for (const digest of lost) {
            expect(Date.now() - (lastNamed.get(digest) ?? 0)).toBeGreaterThanOrEqual(keep);
          }
        } else await tried[one.kind]();
        // Whatever a catalog names can be had, unless it was gone before that catalog came.
        await tried.bringBack();
        for (const digest of await tried.named()) {
          if (tried.has(digest)) expect(tried.store.blobs.has(digest)).toBe(true);
          else expect(Date.now() - (lastNamed.get(digest) ?? 0)).toBeGreaterThanOrEqual(keep);
        }
      }
      await tried.close();
    }),
    { numRuns: 60 },
  );
});
