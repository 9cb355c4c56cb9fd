import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { BlobStore } from '../../../src/blobs/blob-store.ts';
import { observeStore } from '../../../src/blobs/observed-store.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { type Digest, parseDigest } from '../../../src/model/digest.ts';
import { Scrub, type ScrubHooks } from '../../../src/ops/scrub/scrub.ts';
import { adoptStore } from '../../../src/ops/store-owner.ts';
import type { VerifyServices } from '../../../src/ops/verify/verify-services.ts';
import { publish } from '../../../src/publish/publisher.ts';
import { openWorkspace } from '../../../src/server/workspace.ts';
import { asTestActor, scratchDirectory } from '../../support/catalog.ts';
import { makeSmallImage } from '../../support/small-images.ts';
import { flip } from './flip.ts';

const day = 24 * 3_600_000;

/** A data directory with two images: four blobs. */
async function setUp() {
  const config = loadConfig({ env: {}, overrides: { dataDir: await scratchDirectory() } });
  const open = async () => {
    const workspace = asTestActor(await openWorkspace(config));
    onTestFinished(() => workspace.close());
    return workspace;
  };
  const workspace = await open();
  for (const serial of ['20260101_0000', '20260102_0000']) {
    const image = await makeSmallImage({ serial, size: 300_000 });
    await publish(workspace.destination, {
      files: [image.metadata, image.root].map((path) => ({ from: 'disk' as const, name: path, path })),
    });
  }
  await adoptStore(workspace.catalog, workspace.store);
  const directory = join(config.dataDir, 'blobs/sha256');
  const digests = (await readdir(directory, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ name }) => parseDigest(name))
    .sort();
  const path = (digest: Digest) => join(directory, digest.slice(0, 2), digest);
  return { workspace, open, digests, path };
}

/** What scrubs tell, and which blobs they check. */
function watched(services: VerifyServices) {
  const told: string[] = [];
  const read: Digest[] = [];
  const hooks: ScrubHooks = {
    onLost: ({ digest, state }) => told.push(`${state} ${digest}`),
    onWrongFingerprint: ({ product }) => told.push(`wrong ${product}`),
    onFinished: ({ blobs }) => told.push(`finished ${blobs}`),
    onProblem: (problem) => problem !== undefined && told.push(`problem ${problem}`),
  };
  const store: BlobStore = {
    ...observeStore(services.store, () => undefined),
    // Once for each blob; the bytes of metadata are also read for the fingerprints of other blobs.
    stat: async (digest) => {
      read.push(digest);
      return await services.store.stat(digest);
    },
  };
  return { told, read, hooks, services: { ...services, store } };
}

/** A promise that a test resolves. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

function scrubOf(
  services: VerifyServices,
  hooks: ScrubHooks,
  options: { every?: number; rate?: number } = {},
) {
  const scrub = new Scrub(services, { every: 30 * day, rate: 0, ...options }, hooks);
  onTestFinished(() => scrub.stop());
  return scrub;
}

test('reads every blob, sets damaged ones aside, and reports them', async () => {
  const { workspace, digests, path } = await setUp();
  const [bad, gone] = digests;
  if (bad === undefined || gone === undefined) throw new Error('no blobs');
  await flip(path(bad));
  await rm(path(gone));
  const { told, hooks, services } = watched(workspace);
  const scrub = scrubOf(services, hooks);
  const { startedAt } = await scrub.begin();
  await expect.poll(() => told.length).toBe(3);
  await expect.poll(async () => (await scrub.report()).running).toBe(false);
  expect(told).toEqual([`damaged ${bad}`, `missing ${gone}`, 'finished 4']);
  const { last, round, lost, running } = await scrub.report();
  expect({ round, running }).toEqual({ round: null, running: false });
  expect(last).toMatchObject({
    startedAt,
    blobs: 4,
    damaged: 1,
    missing: 1,
    fingerprints: 0,
    lost: [{ digest: bad }, { digest: gone }],
  });
  expect(lost.blobs).toBe(2);
  expect(scrub.lost).toBe(2);
  expect(await workspace.store.stat(bad)).toBeUndefined();
  const actions = await workspace.catalog.audit.list({ limit: 10 });
  expect(actions.filter(({ action }) => action === 'blob.lose')).toMatchObject([
    { who: 'scrub', subject: `sha256:${gone}` },
    { who: 'scrub', subject: `sha256:${bad}` },
  ]);
});

test('a lost blob that is stored again is no longer lost, and one that stays lost is recorded once', async () => {
  const { workspace, digests, path } = await setUp();
  for (const digest of digests.slice(0, 2)) await rm(path(digest));
  const scrub = scrubOf(workspace, watched(workspace).hooks);
  const completed = async () => {
    const { startedAt } = await scrub.begin();
    await expect.poll(async () => (await scrub.report()).last?.startedAt).toBe(startedAt);
    return await scrub.report();
  };
  expect((await completed()).lost.blobs).toBe(2);
  const [one = parseDigest('0'.repeat(64))] = digests;
  await workspace.catalog.blobs.record([{ digest: one, size: 1, content: '{}' }]);
  expect((await scrub.report()).lost.blobs).toBe(1);
  await completed();
  const events = await workspace.catalog.audit.list({ limit: 20 });
  const subjects = events.filter(({ action }) => action === 'blob.lose').map(({ subject }) => subject);
  // The one that was recorded again is missing again.
  expect(subjects.filter((subject) => subject === `sha256:${digests[1]}`)).toHaveLength(1);
});

describe('a scrub that was interrupted', () => {
  test('continues where it stopped, in another process, with its findings', async () => {
    const { workspace, open, digests, path } = await setUp();
    const [bad] = digests;
    if (bad === undefined) throw new Error('no blobs');
    await flip(path(bad));
    const first = watched(workspace);
    const store: BlobStore = {
      ...first.services.store,
      stat: async (digest) => {
        if (digest === digests[2]) void interrupted.stop();
        return await first.services.store.stat(digest);
      },
    };
    const interrupted = scrubOf({ ...first.services, store }, first.hooks);
    await interrupted.begin();
    await expect.poll(async () => (await interrupted.report()).round?.blobs).toBe(2);
    await interrupted.stop();
    const between = await interrupted.report();
    expect(between).toMatchObject({
      running: false,
      last: null,
      round: { after: digests[1], blobs: 2, damaged: 1 },
    });

    const second = watched(await open());
    const scrub = scrubOf(second.services, second.hooks);
    expect((await scrub.begin()).startedAt).toBe(between.round?.startedAt);
    await expect
      .poll(async () => (await scrub.report()).last)
      .toMatchObject({ blobs: 4, damaged: 1, lost: [{ digest: bad }] });
    expect(new Set(second.read)).toEqual(new Set(digests.slice(2)));
  });
});

test('of several servers, one scrubs', async () => {
  const { workspace, open } = await setUp();
  const one = watched(workspace);
  const held = gate();
  const begun = gate();
  const store: BlobStore = {
    ...one.services.store,
    read: async (digest, range) => {
      begun.open();
      await held.opened;
      return await one.services.store.read(digest, range);
    },
  };
  const first = scrubOf({ ...one.services, store }, one.hooks);
  const { startedAt } = await first.begin();
  await begun.opened;
  const two = watched(await open());
  const second = scrubOf(two.services, two.hooks);
  expect((await second.begin()).startedAt).toBe(startedAt);
  await second.stop();
  expect(await second.report()).toMatchObject({ running: true });
  held.open();
  await expect.poll(async () => (await second.report()).last).toMatchObject({ startedAt });
  expect(two.read).toEqual([]);
});

test('begins on schedule, and not before it is due', async () => {
  const { workspace } = await setUp();
  const begun: number[] = [];
  const { hooks, services } = watched(workspace);
  const onFinished: ScrubHooks['onFinished'] = ({ startedAt }) => void begun.push(Date.parse(startedAt));
  const every = 50;
  const scrub = scrubOf(services, { ...hooks, onFinished }, { every });
  scrub.start();
  await expect.poll(() => begun.length).toBeGreaterThan(2);
  await scrub.stop();
  for (const [index, time] of begun.slice(1).entries()) {
    expect(time - (begun[index] ?? time)).toBeGreaterThanOrEqual(every);
  }
});

test('without a schedule, only a scrub that was requested continues', async () => {
  const { workspace } = await setUp();
  const { told, read, hooks, services } = watched(workspace);
  const scrub = scrubOf(services, hooks, { every: 0 });
  await scrub.look();
  // As a server with a schedule left it.
  await workspace.catalog.scrubs.begin(() => true);
  await scrub.look();
  expect(read).toEqual([]);
  await workspace.catalog.scrubs.begin('requested');
  await scrub.look();
  expect(told).toEqual(['finished 4']);
  expect((await scrub.report()).round).toBeNull();
});

describe('a store that', () => {
  test('belongs to another catalog is not scrubbed', async () => {
    const { workspace } = await setUp();
    const record = { catalog: 'another', revision: 7, mark: 'x', at: '2026-01-01T00:00:00.000Z' };
    await workspace.store.writeRecord('owner', JSON.stringify(record));
    const scrub = scrubOf(workspace, watched(workspace).hooks);
    await expect(scrub.begin()).rejects.toMatchObject({ kind: 'conflict' });
    await expect(scrub.mend(parseDigest('0'.repeat(64)))).rejects.toMatchObject({ kind: 'conflict' });
  });

  test('loses all its blobs while it is read is taken for one that is not mounted', async () => {
    const { workspace, digests, path } = await setUp();
    const { told, hooks, services } = watched(workspace);
    let isMounted = true;
    const store: BlobStore = {
      ...services.store,
      stat: async (digest) => {
        isMounted = false;
        for (const each of digests) await rm(path(each), { force: true });
        return await services.store.stat(digest);
      },
      readRecord: async (record) => (isMounted ? await services.store.readRecord(record) : undefined),
    };
    const scrub = scrubOf({ ...services, store }, hooks);
    await scrub.begin();
    await expect.poll(async () => (await scrub.report()).round?.problem).toMatch(/The blob store is empty/);
    expect((await scrub.report()).lost.blobs).toBe(0);
    expect(told).toEqual([expect.stringContaining('problem The blob store is empty')]);
  });
});
