import { expect, test } from 'vitest';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, held, mirrorServices } from '../workspace.ts';

const product = 'debian:bookworm:amd64:default';

test('a mirror does not bring a withdrawn version back', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(product, '20260101_0000');
  await upstream.offer(product, '20260102_0000');
  const parts = await mirrorServices();
  const run = async () => await runMirror(definition(upstream.url), parts, { cause: 'manual', force: true });
  expect((await run()).outcome).toBe('success');
  await parts.catalog.versions.remove({ stream: 'images', name: product }, '20260101_0000', new Date(), {
    withdraw: 'a hole',
  });
  const { outcome, report } = await run();
  expect(outcome).toBe('success');
  expect(report.added).toBe(0);
  expect(report.skipped).toMatchObject([{ reason: 'the version was withdrawn here' }]);
  expect(await held(parts)).toEqual([`${product}@20260102_0000`]);
});
