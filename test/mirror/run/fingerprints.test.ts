import { expect, test } from 'vitest';
import type { MirrorDefinition } from '../../../src/config/mirror-schema.ts';
import { planMirror, runMirror } from '../../../src/mirror/run/run.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, find, held, mirrorServices } from '../workspace.ts';

const product = 'debian:bookworm:amd64:default';
const manual = { cause: 'manual' as const };
/** A fingerprint that no image has. */
const claimed = 'ab'.repeat(32);

/** An upstream of two versions, the newer of which has a false fingerprint in the document. */
async function setUp(size: number) {
  const upstream = await TestUpstream.start();
  await upstream.offer(product, '20260101_0000', { size });
  await upstream.offer(product, '20260102_0000', { size });
  const fields = upstream.products[product]?.versions['20260102_0000']?.items['lxd.tar.xz'] ?? {};
  const computed = String(fields['combined_squashfs_sha256']);
  fields['combined_squashfs_sha256'] = claimed;
  upstream.announce();
  const parts = await mirrorServices();
  const run = (changes: Partial<MirrorDefinition> = {}) =>
    runMirror(definition(upstream.url, changes), parts, manual);
  return { upstream, parts, run, computed };
}

/** Small files are fetched together, large ones alone. */
test.each([2000, 1_000_000])(
  'a document with a false fingerprint fails that version alone: %i bytes',
  async (size) => {
    const { upstream, parts, run, computed } = await setUp(size);
    const { outcome, report } = await run();
    expect(outcome).toBe('partial');
    expect(report).toMatchObject({ added: 1, failures: 1, failed: [{ product, version: '20260102_0000' }] });
    expect(report.failed[0]?.error).toContain(computed);
    expect(report.failed[0]?.error).toContain(claimed);
    expect(await held(parts)).toEqual([`${product}@20260101_0000`]);
    const { versions } = await find(parts, product);
    const { items = {} } = upstream.products[product]?.versions['20260101_0000'] ?? {};
    expect(versions[0]?.items.find(({ type }) => type === 'squashfs')?.fingerprint).toBe(
      items['lxd.tar.xz']?.['combined_squashfs_sha256'],
    );
    // The next run tries again, and downloads nothing for it.
    upstream.takeRequests();
    expect((await run()).outcome).toBe('partial');
    expect(upstream.takeRequests().filter((request) => request.includes('/images/'))).toEqual([]);
  },
);

test('files that come for a version that was listed under a false fingerprint take it out of the documents', async () => {
  const { upstream, parts, run, computed } = await setUp(1_000_000);
  expect((await run({ mode: 'on-demand' })).outcome).toBe('success');
  expect(await held(parts)).toHaveLength(2);
  const { outcome, report } = await run();
  expect(outcome).toBe('partial');
  expect(report.failed).toHaveLength(1);
  expect(report.failed[0]?.error).toContain(computed);
  expect(report.failed[0]?.error).toContain(claimed);
  expect(await held(parts)).toEqual([`${product}@20260101_0000`]);
  const [entry] = (await parts.catalog.audit.list({ limit: 100 })).filter(
    ({ action }) => action === 'version.refuse',
  );
  expect(entry).toMatchObject({
    subject: `${product}@20260102_0000`,
    details: { stream: 'images', claimed, reason: expect.stringContaining(computed) },
  });
  const { plan } = await planMirror(definition(upstream.url), parts);
  expect(plan.add.map(({ version }) => version.name)).toEqual(['20260102_0000']);
});
