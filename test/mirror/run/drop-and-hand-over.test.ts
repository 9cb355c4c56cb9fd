import { expect, test } from 'vitest';
import { dropMirror, handOver } from '../../../src/mirror/run/drop-and-hand-over.ts';
import { takeMirrorLease } from '../../../src/mirror/run/lease.ts';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { unlimited } from '../../../src/model/rights.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, find, held, mirrorServices } from '../workspace.ts';

const bookworm = 'debian:bookworm:amd64:default';
const manual = { cause: 'manual' as const };
const actor = { who: 'local:test', from: 'command line', permit: unlimited };

test('the versions of a mirror are handed over to another one, which continues with them', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(bookworm, '20260101_0000');
  const parts = await mirrorServices();
  const onDemand = { mode: 'on-demand' as const };
  await runMirror(definition(upstream.url, onDemand), parts, manual);
  const renamed = definition(upstream.url, { ...onDemand, name: 'renamed' });
  expect(await runMirror(renamed, parts, manual)).toMatchObject({ report: { added: 0, kept: 0 } });
  expect(await handOver('test', 'renamed', parts, actor)).toBe(1);
  expect((await find(parts, bookworm)).owner).toBe('mirror:renamed');
  const [version] = (await find(parts, bookworm)).versions;
  for (const { digest } of version?.items ?? []) {
    expect(await parts.catalog.sources.find(digest)).toMatchObject([{ mirror: 'renamed' }]);
  }
  expect(await runMirror(renamed, parts, manual)).toMatchObject({
    outcome: 'success',
    report: { added: 0, kept: 1 },
  });
  await expect(handOver('test', 'renamed', parts, actor)).rejects.toThrow('mirror test has no versions here');
});

test('the versions of a mirror are removed, but not while it runs', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(bookworm, '20260101_0000');
  const parts = await mirrorServices();
  await runMirror(definition(upstream.url), parts, manual);
  const lease = await takeMirrorLease(parts.catalog.mirrors, 'test');
  await expect(dropMirror('test', parts, actor)).rejects.toThrow(/is running already/);
  await lease.release();
  expect(await dropMirror('test', parts, actor)).toBe(1);
  expect(await held(parts)).toEqual([]);
  await expect(dropMirror('test', parts, actor)).rejects.toThrow('mirror test has no versions here');
  expect(await runMirror(definition(upstream.url), parts, manual)).toMatchObject({
    report: { added: 1, fetched: 0 },
  });
});

test('only the versions that are not downloaded are removed; the next run lists them again', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(bookworm, '20260101_0000');
  const parts = await mirrorServices();
  await runMirror(definition(upstream.url), parts, manual);
  const onlyNotDownloaded = { onlyNotDownloaded: true };
  await expect(dropMirror('test', parts, actor, onlyNotDownloaded)).rejects.toThrow(
    'every version of mirror test is downloaded',
  );
  await upstream.offer(bookworm, '20260102_0000');
  const onDemand = definition(upstream.url, { mode: 'on-demand' });
  await runMirror(onDemand, parts, manual);
  expect(await dropMirror('test', parts, actor, onlyNotDownloaded)).toBe(1);
  expect(await held(parts)).toEqual([`${bookworm}@20260101_0000`]);
  expect(await runMirror(onDemand, parts, manual)).toMatchObject({ report: { added: 1, kept: 1 } });
  expect(await held(parts)).toHaveLength(2);
});
