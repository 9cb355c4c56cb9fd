import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { parseDigest } from '../../../src/model/digest.ts';
import { FaultProxy, type Misbehaviour } from '../../support/fault-proxy.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, find, held, mirrorServices } from '../workspace.ts';

const product = 'debian:bookworm:amd64:default';
const root = 'images/debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs';
const documents = ['streams/v1/index.json', 'streams/v1/images.json'];
const manual = { cause: 'manual' as const };

/** An upstream with one image, which knows no ranges, behind a proxy that misbehaves, and a mirror of it. */
async function setUp() {
  const upstream = await TestUpstream.start();
  await upstream.offer(product, '20260101_0000', { size: 1_500_000 });
  const proxy = await FaultProxy.start(upstream.url);
  onTestFinished(() => proxy.stop());
  const parts = await mirrorServices();
  const mirror = definition(proxy.url);
  const run = async () => await runMirror(mirror, parts, manual);
  const inject = (path: string, fault: Misbehaviour, times?: number) =>
    proxy.inject({
      do: fault,
      when: (request) => request.path === `/${path}`,
      ...(times === undefined ? {} : { times }),
    });
  /** Whether the version is published, and every byte of it as the upstream has it. */
  const assertWhole = async () => {
    const [version] = (await find(parts, product)).versions;
    expect(version?.items.map(({ type }) => type)).toEqual(expect.arrayContaining(['metadata', 'squashfs']));
    for (const { digest } of version?.items ?? []) {
      const bytes = await buffer(await parts.store.read(parseDigest(digest)));
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(digest);
    }
    expect(version?.items.map(({ digest }) => digest)).toContain(upstream.digestOf(root));
  };
  return { upstream, proxy, parts, run, inject, assertWhole };
}

describe('a run comes through when a file', () => {
  test.each<[string, Misbehaviour]>([
    ['is cut, and Range is ignored', { kind: 'cut-answer', after: 1_200_000 }],
    ['is damaged on its way', { kind: 'corrupt-answer', at: 1_000_000 }],
    ['is answered with 500', { kind: 'answer', status: 500 }],
    ['is answered with an empty success', { kind: 'answer', status: 200 }],
  ])('%s', async (_, fault) => {
    const { inject, run, assertWhole } = await setUp();
    inject(root, fault, 1);
    expect(await run()).toMatchObject({ outcome: 'success', report: { added: 1, failures: 0 } });
    await assertWhole();
  });

  test('is answered with 429, and then not asked for before Retry-After', async () => {
    const { inject, run, assertWhole } = await setUp();
    inject(root, { kind: 'answer', status: 429, headers: { 'retry-after': '2' } }, 1);
    const { outcome, startedAt, finishedAt } = await run();
    expect(outcome).toBe('success');
    expect(finishedAt.getTime() - startedAt.getTime()).toBeGreaterThanOrEqual(1990);
    await assertWhole();
  });

  test('is truncated', async () => {
    const { upstream, run, assertWhole } = await setUp();
    upstream.limit = 1_100_000;
    let asked = 0;
    upstream.onRequest = (path) => {
      if (path === root && ++asked > 1) upstream.limit = undefined;
    };
    expect((await run()).outcome).toBe('success');
    expect(asked).toBe(2);
    await assertWhole();
  });

  test('comes slowly', async () => {
    const { upstream, run, assertWhole } = await setUp();
    upstream.pace = 1000;
    expect((await run()).outcome).toBe('success');
    await assertWhole();
  });
});

describe('a run publishes nothing, and the next one mends it, when a file', () => {
  test.each<[string, Misbehaviour, RegExp]>([
    ['is damaged every time', { kind: 'corrupt-answer', at: 1_000_000 }, /SHA-256 is .* was announced/],
    ['is refused', { kind: 'answer', status: 403 }, /answered 403/],
    ['is gone', { kind: 'answer', status: 404 }, /answered 404/],
  ])('%s', async (_, fault, message) => {
    const { proxy, parts, inject, run, assertWhole } = await setUp();
    inject(root, fault);
    const { outcome, report } = await run();
    expect({ outcome, failed: report.failed }).toMatchObject({
      outcome: 'partial',
      failed: [{ product, error: expect.stringMatching(message) }],
    });
    expect(await held(parts)).toEqual([]);
    proxy.reset();
    expect(await run()).toMatchObject({ outcome: 'success', report: { added: 1 } });
    await assertWhole();
  });
});

describe.each(documents)('a run comes through when %s', (path) => {
  test.each<[string, Misbehaviour]>([
    ['is cut', { kind: 'cut-answer', after: 50 }],
    ['is answered with 500', { kind: 'answer', status: 500 }],
    ['is answered with 429', { kind: 'answer', status: 429, headers: { 'retry-after': '0' } }],
  ])('%s', async (_, fault) => {
    const { inject, run, assertWhole } = await setUp();
    inject(path, fault, 1);
    expect(await run()).toMatchObject({ outcome: 'success', report: { added: 1 } });
    await assertWhole();
  });

  test('is no JSON: nothing changes, and the next run mends it', async () => {
    const { upstream, proxy, parts, inject, run } = await setUp();
    await run();
    await upstream.offer(product, '20260102_0000');
    inject(path, { kind: 'answer', status: 200, body: '<html>Please log in</html>' });
    const { outcome, error } = await run();
    expect({ outcome, error: String(error) }).toEqual({
      outcome: 'failed',
      error: expect.stringMatching(/json: not JSON/),
    });
    expect(await held(parts)).toEqual([`${product}@20260101_0000`]);
    proxy.reset();
    expect(await run()).toMatchObject({ outcome: 'success', report: { added: 1, kept: 1 } });
  });
});
