import { expect, test } from 'vitest';
import { runMirror } from '../../src/mirror/run/run.ts';
import { TestUpstream } from './test-upstream.ts';
import { definition, find, held, mirrorServices } from './workspace.ts';

const manual = { cause: 'manual' as const };
const product = 'debian:bookworm:amd64:default';

test('versions with seconds, counters and other names that clients take are mirrored in their order', async () => {
  const upstream = await TestUpstream.start();
  const names = ['20261101-1', '20261101-0459', '20261101T0500', '20261101_050010', '20261101_05:00:20'];
  for (const name of names) await upstream.offer(product, name);
  const parts = await mirrorServices();
  const keep = { keep: { removed: 'keep' as const } };
  expect(await runMirror(definition(upstream.url, keep), parts, manual)).toMatchObject({
    outcome: 'success',
  });
  const { versions } = await find(parts, product);
  expect(versions.map(({ serial, label }) => [serial, label])).toEqual([
    ['20261101_0001', 'release'],
    ['20261101_0459', 'release'],
    ['20261101_0500', 'release'],
    ['20261101_0501', '20261101_050010'],
    ['20261101_0502', '20261101_05:00:20'],
  ]);
});

test.each(['scheduled', 'on-demand'] as const)(
  'a version keeps its serial when the upstream drops older ones and adds newer ones (%s)',
  async (mode) => {
    const upstream = await TestUpstream.start();
    await upstream.offer(product, '20261101_050010');
    await upstream.offer(product, '20261101_050030');
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, { mode, keep: { removed: 'retire' } });
    expect(await runMirror(mirror, parts, manual)).toMatchObject({ outcome: 'success' });
    const before = await find(parts, product);
    expect(before.versions.map(({ serial }) => serial)).toEqual(['20261101_0500', '20261101_0501']);

    delete upstream.products[product]?.versions['20261101_050010'];
    await upstream.offer(product, '20261101_050050');
    const again = await runMirror(mirror, parts, manual);
    expect(again).toMatchObject({ outcome: 'success', report: { added: 1, failures: 0, skipped: [] } });
    const after = await find(parts, product);
    expect(after.versions.map(({ serial }) => serial)).toEqual(['20261101_0501', '20261101_0502']);
    expect(after.versions[0]?.items).toEqual(before.versions[1]?.items);
  },
);

test('a product of which nothing can be taken for the names of its versions makes the run partial', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(product, '20261101_0500');
  await upstream.offer('debian:sid:amd64:default', 'latest');
  const parts = await mirrorServices();
  const run = await runMirror(definition(upstream.url), parts, manual);
  expect(run).toMatchObject({
    outcome: 'partial',
    report: {
      added: 1,
      skipped: [{ reason: "the version's name has no date and time", count: 1 }],
      warnings: [
        expect.stringContaining('debian:sid:amd64:default: skipped: the names of its versions have no date'),
      ],
    },
  });
  expect(await held(parts)).toEqual([`${product}@20261101_0500`]);
  // What is not selected does not matter.
  const chosen = definition(upstream.url, { select: [{ release: ['bookworm'] }] });
  expect(await runMirror(chosen, parts, { ...manual, force: true })).toMatchObject({ outcome: 'success' });
});

test('files whose paths have blanks are fetched', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(product, '20261101_0500');
  const { items } = upstream.products[product]?.versions['20261101_0500'] ?? {};
  for (const item of Object.values(items ?? {})) {
    const bytes = upstream.files.get(String(item['path']));
    const path = `my images/${String(item['ftype'])} file `;
    if (bytes !== undefined) upstream.files.set(path, bytes);
    item['path'] = path;
  }
  upstream.announce();
  const parts = await mirrorServices();
  expect(await runMirror(definition(upstream.url), parts, manual)).toMatchObject({ outcome: 'success' });
  expect(await held(parts)).toEqual([`${product}@20261101_0500`]);
});
