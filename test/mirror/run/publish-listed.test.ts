import { describe, expect, onTestFinished, test } from 'vitest';
import type { MirrorServices } from '../../../src/mirror/mirror-services.ts';
import { OnDemandStore } from '../../../src/mirror/on-demand/on-demand-store.ts';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { parseDigest } from '../../../src/model/digest.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, find, held, mirrorServices } from '../workspace.ts';

// Versions that are listed and whose bytes are not all here.

const bookworm = 'debian:bookworm:amd64:default';
const manual = { cause: 'manual' as const };
const onDemand = { mode: 'on-demand' as const };

/** The digests of a version's files, and those of them that the store has not. */
async function files({ catalog, store }: MirrorServices, serial: string) {
  const product = await catalog.products.find({ stream: 'images', name: bookworm });
  const version = product?.versions.find((one) => one.serial === serial);
  const digests = (version?.items ?? []).map(({ digest }) => parseDigest(digest));
  const lacking = [];
  for (const digest of digests) if ((await store.stat(digest)) === undefined) lacking.push(digest);
  return { digests, lacking };
}

describe('a scheduled run', () => {
  test('brings what was only listed while the mirror was on demand', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    await upstream.offer(bookworm, '20260102_0000');
    const parts = await mirrorServices();
    await runMirror(definition(upstream.url, onDemand), parts, manual);
    expect((await files(parts, '20260101_0000')).lacking).toHaveLength(2);
    const before = await find(parts, bookworm);
    const result = await runMirror(definition(upstream.url), parts, manual);
    expect(result).toMatchObject({ outcome: 'success', report: { added: 2, kept: 0, retired: 0 } });
    expect(result.report.fetched).toBeGreaterThan(4000);
    for (const serial of ['20260101_0000', '20260102_0000']) {
      expect((await files(parts, serial)).lacking).toEqual([]);
    }
    expect(await find(parts, bookworm)).toEqual(before);
    expect(await runMirror(definition(upstream.url), parts, manual)).toMatchObject({ outcome: 'unchanged' });
  });

  test('with --force brings what the store has lost', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    const parts = await mirrorServices();
    await runMirror(definition(upstream.url), parts, manual);
    const { digests } = await files(parts, '20260101_0000');
    for (const digest of digests) await parts.store.remove(digest);
    expect((await runMirror(definition(upstream.url), parts, manual)).outcome).toBe('unchanged');
    expect(await runMirror(definition(upstream.url), parts, { ...manual, force: true })).toMatchObject({
      outcome: 'success',
      report: { added: 1 },
    });
    expect((await files(parts, '20260101_0000')).lacking).toEqual([]);
  });
});

describe('what the upstream removes', () => {
  test('before anybody asked for it is no longer listed, whatever keep says; what is here is kept', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    const parts = await mirrorServices();
    await runMirror(definition(upstream.url), parts, manual);
    await upstream.offer(bookworm, '20260102_0000');
    await upstream.offer(bookworm, '20260103_0000');
    const mirror = definition(upstream.url, { ...onDemand, maxShrink: 100 });
    await runMirror(mirror, parts, manual);
    const { versions = {} } = upstream.products[bookworm] ?? {};
    delete versions['20260101_0000'];
    delete versions['20260102_0000'];
    upstream.announce();
    expect(await runMirror(mirror, parts, manual)).toMatchObject({ report: { retired: 1, kept: 2 } });
    expect(await held(parts)).toEqual([`${bookworm}@20260101_0000`, `${bookworm}@20260103_0000`]);
    delete upstream.products[bookworm];
    upstream.announce();
    expect(await runMirror(mirror, parts, manual)).toMatchObject({ report: { retired: 1, kept: 1 } });
    expect(await held(parts)).toEqual([`${bookworm}@20260101_0000`]);
  });

  test('or replaces by other files is not listed either; what moves is found at its new place', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    await upstream.offer(bookworm, '20260102_0000');
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, onDemand);
    await runMirror(mirror, parts, manual);
    await upstream.offer(bookworm, '20260101_0000');
    const { items = {} } = upstream.products[bookworm]?.versions['20260102_0000'] ?? {};
    Object.assign(items['root.squashfs'] ?? {}, { path: 'moved/rootfs.squashfs' });
    upstream.announce();
    await runMirror(mirror, parts, manual);
    expect(await held(parts)).toEqual([`${bookworm}@20260102_0000`]);
    const { digests } = await files(parts, '20260102_0000');
    const sources = await Promise.all(
      digests.map(async (digest) => await parts.catalog.sources.find(digest)),
    );
    expect(sources.flat().map(({ path }) => path)).toContain('moved/rootfs.squashfs');
  });

  test('of deltas is not listed either, while nobody has them', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    await upstream.offer(bookworm, '20260102_0000');
    const { items = {} } = upstream.products[bookworm]?.versions['20260102_0000'] ?? {};
    const delta = Buffer.from([0xd6, 0xc3, 0xc4, 0, 0, 1, 2, 3]);
    upstream.files.set('images/delta', delta);
    const sha256 = upstream.digestOf('images/delta');
    const said = { path: 'images/delta', size: delta.length, sha256, delta_base: '20260101_0000' };
    items['delta'] = { ftype: 'squashfs.vcdiff', ...said };
    upstream.announce();
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, onDemand);
    await runMirror(mirror, parts, manual);
    expect((await files(parts, '20260102_0000')).digests).toContain(sha256);
    delete items['delta'];
    upstream.announce();
    expect(await runMirror(mirror, parts, manual)).toMatchObject({ report: { added: 0, kept: 2 } });
    expect((await files(parts, '20260102_0000')).digests).not.toContain(sha256);
  });
});

test('a file whose mirror has no definition cannot be fetched, and the error says why', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(bookworm, '20260101_0000');
  const parts = await mirrorServices();
  await runMirror(definition(upstream.url, onDemand), parts, manual);
  const unexpected = () => expect.unreachable();
  const hooks = { onFetched: unexpected, onFailed: unexpected, onEvicted: unexpected, onError: unexpected };
  const store = new OnDemandStore([], parts, hooks);
  onTestFinished(() => store.close());
  const [digest = parseDigest('0'.repeat(64))] = (await files(parts, '20260101_0000')).digests;
  await expect(store.read(digest)).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringMatching(/^mirror test, which would fetch images\/.*, has no definition$/),
  });
  await expect(store.read(parseDigest('0'.repeat(64)))).rejects.toMatchObject({ kind: 'not-found' });
});
