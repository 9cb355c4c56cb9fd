import { expect, onTestFinished, test } from 'vitest';
import { takeMirrorLease } from '../../../src/mirror/run/lease.ts';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, held, mirrorServices } from '../workspace.ts';

const product = 'debian:bookworm:amd64:default';
/** The lease of another process. */
const other = { holder: 'another-process', expiresAt: new Date(Date.now() + 3_600_000) };

test('a run whose lease another process took over stops, changes nothing more, and leaves that lease alone', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(product, '20260101_0000', { size: 600_000 });
  const parts = await mirrorServices();
  const { mirrors } = parts.catalog;
  // The other process found the lease expired: this one had been suspended, say.
  const takeOver = async () => {
    const { holder = '' } = (await mirrors.lease('test')) ?? {};
    expect(await mirrors.acquire('test', other, { deadHolder: holder })).toBeUndefined();
  };
  let taking: Promise<void> | undefined;
  upstream.onRequest = (path) => {
    if (path.endsWith('rootfs.squashfs')) taking ??= takeOver();
  };
  upstream.pace = 20;
  const mirror = definition(upstream.url);
  const { outcome, error, report } = await runMirror(mirror, parts, {
    cause: 'manual',
    times: { renewInterval: 50 },
  });
  await taking;
  expect({ outcome, error: String(error), added: report.added }).toEqual({
    outcome: 'interrupted',
    error: expect.stringContaining('mirror test was taken over') as string,
    added: 0,
  });
  expect(await held(parts)).toEqual([]);
  expect(await mirrors.lease('test')).toEqual(other);
  // The process that took over has recorded the end of this run already.
  expect(await mirrors.runs('test', 10)).toMatchObject([
    { outcome: 'interrupted', error: 'its process ended before the run was finished' },
  ]);
  await expect(runMirror(mirror, parts, { cause: 'manual' })).rejects.toThrow('is running already');

  upstream.pace = undefined;
  await mirrors.release('test', other.holder);
  expect(await runMirror(mirror, parts, { cause: 'manual' })).toMatchObject({
    outcome: 'success',
    report: { added: 1 },
  });
});

test('a process that was suspended asks whether it still has the lease before its next change', async () => {
  const { mirrors } = (await mirrorServices()).catalog;
  const lease = await takeMirrorLease(mirrors, 'test', 100);
  onTestFinished(() => lease.release());
  const { holder = '' } = (await mirrors.lease('test')) ?? {};
  await mirrors.acquire('test', other, { deadHolder: holder });
  // No timer fires meanwhile, as in a suspended process.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250);
  await expect(lease.assertHeld()).rejects.toThrow('mirror test was taken over');
});
