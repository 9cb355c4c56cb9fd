import { expect, onTestFinished, test } from 'vitest';
import type { MirrorDefinition } from '../../src/config/mirror-schema.ts';
import type { MirrorServices } from '../../src/mirror/mirror-services.ts';
import type { OrphanedMirror } from '../../src/mirror/run/orphans.ts';
import type { RunResult } from '../../src/mirror/run/report.ts';
import { runMirror } from '../../src/mirror/run/run.ts';
import { MirrorService } from '../../src/mirror/service.ts';
import type { MirrorStatus } from '../../src/mirror/status.ts';
import { TestServer } from '../support/server.ts';
import { TestUpstream } from './test-upstream.ts';
import { definition, held, mirrorServices } from './workspace.ts';

const name = 'debian:bookworm:amd64:default';
const yearly = { schedule: '0 0 1 1 *' };

/** A service whose runs are noted with their causes. */
async function start(definitions: MirrorDefinition[], parts: MirrorServices) {
  const runs: { cause: string; outcome: RunResult['outcome'] }[] = [];
  const orphans: OrphanedMirror[] = [];
  const service = new MirrorService(definitions, parts, {
    onOrphaned: (orphan) => orphans.push(orphan),
    onFinished: ({ outcome }, cause) => runs.push({ cause, outcome }),
    onNotStarted: (mirror, error) => expect.unreachable(`${mirror}: ${String(error)}`),
  });
  await service.start();
  onTestFinished(() => service.stop());
  return { service, runs, orphans };
}

test('a mirror runs when its time comes, again and again', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(name, '20260101_0000');
  const parts = await mirrorServices();
  const { runs } = await start([definition(upstream.url, { schedule: '* * * * * *' })], parts);
  await expect
    .poll(() => runs.filter(({ cause }) => cause === 'schedule').length, { timeout: 10_000 })
    .toBeGreaterThan(1);
  expect(runs[0]).toEqual({ cause: 'catch-up', outcome: 'success' });
});

test('what was missed while no server ran is caught up, and nothing else', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(name, '20260101_0000');
  const parts = await mirrorServices();
  const mirror = definition(upstream.url, yearly);
  const first = await start(
    [mirror, definition('http://127.0.0.1:1', { name: 'off', enabled: false, ...yearly })],
    parts,
  );
  await expect.poll(() => first.runs).toEqual([{ cause: 'catch-up', outcome: 'success' }]);
  await first.service.stop();
  const second = await start([mirror], parts);
  await second.service.stop();
  expect(second.runs).toEqual([]);
  await parts.catalog.mirrors.setNextRun('test', new Date(Date.now() - 1000));
  const third = await start([mirror], parts);
  await expect.poll(() => third.runs).toEqual([{ cause: 'catch-up', outcome: 'unchanged' }]);
  await expect.poll(async () => (await third.service.status('test')).nextRun?.getUTCMonth()).toBe(0);
});

test('stopping the server interrupts a run, and the next one goes on', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(name, '20260101_0000', { size: 400_000 });
  upstream.pace = 20;
  const parts = await mirrorServices();
  const { service, runs } = await start([definition(upstream.url, yearly)], parts);
  await expect.poll(() => upstream.requests.some((request) => request.includes('rootfs'))).toBe(true);
  await service.stop();
  expect(runs).toEqual([{ cause: 'catch-up', outcome: 'interrupted' }]);
  upstream.pace = undefined;
  const again = await start([definition(upstream.url, yearly)], parts);
  await expect.poll(() => again.runs).toEqual([{ cause: 'catch-up', outcome: 'success' }]);
  await again.service.begin('test');
  await expect.poll(() => again.runs.at(-1)).toEqual({ cause: 'manual', outcome: 'unchanged' });
});

test('a start without the definition of a mirror reports it, and leaves its versions as they are', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(name, '20260101_0000');
  const parts = await mirrorServices();
  await runMirror(definition(upstream.url), parts, { cause: 'manual' });
  await upstream.offer(name, '20260102_0000');
  const mirror = definition(upstream.url, { mode: 'on-demand' });
  await runMirror(mirror, parts, { cause: 'manual' });
  expect((await start([mirror], parts)).orphans).toEqual([]);
  expect(await held(parts)).toHaveLength(2);
  const orphan = { mirror: 'test', versions: 2, notDownloaded: 1 };
  expect((await start([], parts)).orphans).toEqual([orphan]);
  expect((await start([definition(upstream.url, { name: 'other' })], parts)).orphans).toEqual([orphan]);
  expect(await held(parts)).toHaveLength(2);
  expect(await runMirror(mirror, parts, { cause: 'manual' })).toMatchObject({ outcome: 'unchanged' });
});

test('the API tells how mirrors are doing and starts runs; the metrics show the age', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(name, '20260101_0000');
  const server = await TestServer.start({}, [
    definition(upstream.url, { maxAge: 3_600_000 }),
    definition(upstream.url, { name: 'off', enabled: false }),
  ]);
  const token = await server.token(['admin']);
  const get = async (path: string) => (await server.request(`/api/v1/mirrors${path}`, { token })).json();
  expect((await server.request('/api/v1/mirrors')).status).toBe(401);
  expect((await server.request('/api/v1/mirrors', { token: await server.token(['read']) })).status).toBe(403);
  expect(await get('')).toMatchObject({
    mirrors: [{ name: 'test', stale: false, running: false }, { name: 'off' }],
  });
  const post = async (mirror: string) =>
    (await server.request(`/api/v1/mirrors/${mirror}/runs`, { method: 'POST', token })).status;
  expect([await post('none'), await post('off'), await post('test')]).toEqual([404, 409, 202]);
  await expect.poll(async () => ((await get('/test')) as MirrorStatus).lastRun?.outcome).toBe('success');
  expect(await get('/test')).toMatchObject({
    stale: false,
    runs: [{ cause: 'manual', report: { added: 1 } }],
  });
  const metrics = (await server.request('/metrics')).body.toString();
  expect(metrics).toContain('headwater_mirror_stale{mirror="test"} 0');
  expect(metrics).toMatch(/headwater_mirror_last_success_timestamp_seconds\{mirror="test"\} \d/);
  expect(metrics).not.toContain('mirror="off"');
});
