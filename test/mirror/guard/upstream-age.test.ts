import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mirrorStatus } from '../../../src/mirror/status.ts';
import { headwater } from '../../cli/command-line.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { demand } from '../../support/needs.ts';
import { TestServer } from '../../support/server.ts';
import { TestUpstream } from '../test-upstream.ts';
import { SigningKey } from '../upstream/gpg.ts';
import { definition, mirrorServices } from '../workspace.ts';
import { bookworm, runOnce } from './states.ts';

const day = 86_400_000;

test('an upstream that is frozen for two years is stale in the status, the API, the command and the metrics', async () => {
  const upstream = await TestUpstream.start();
  upstream.updated = new Date(Date.now() - 730 * day).toUTCString().replace('GMT', '+0000');
  await upstream.offer(bookworm, '20240101_0000');
  const mirror = definition(upstream.url, { maxAge: 3 * day, upstreamMaxAge: 3 * day });
  const server = await TestServer.start({}, [mirror, definition(upstream.url, { name: 'lenient' })]);
  const token = await server.token(['admin']);
  const get = async (path: string) => (await server.request(path, { token })).json();
  expect(await get('/api/v1/mirrors/test')).toMatchObject({ upstreamStale: false });
  for (const name of ['test', 'lenient']) {
    await server.request(`/api/v1/mirrors/${name}/runs`, { method: 'POST', token });
    await expect
      .poll(async () => ((await get(`/api/v1/mirrors/${name}`)) as { age?: number }).age)
      .toBeDefined();
  }
  // The run itself succeeds: that is why maxAge does not see it.
  expect(await get('/api/v1/mirrors/test')).toMatchObject({
    stale: false,
    upstreamStale: true,
    upstreamUpdated: new Date(upstream.updated).toISOString(),
    upstreamMaxAge: 3 * 86_400,
    lastRun: {
      outcome: 'success',
      report: { warnings: [expect.stringMatching(/newest document is of .*older than upstreamMaxAge/)] },
    },
  });
  expect(await get('/api/v1/mirrors/lenient')).toMatchObject({ upstreamStale: false });
  const metrics = (await server.request('/metrics')).body.toString();
  expect(metrics).toContain('headwater_mirror_upstream_stale{mirror="test"} 1');
  expect(metrics).toContain('headwater_mirror_upstream_stale{mirror="lenient"} 0');
  const age = /headwater_mirror_upstream_age_seconds\{mirror="test"\} (\d+)/.exec(metrics)?.[1];
  expect(Number(age)).toBeGreaterThan(729 * 86_400);

  const directory = await scratchDirectory();
  await mkdir(join(directory, 'mirrors'));
  await writeFile(
    join(directory, 'mirrors/test.yaml'),
    `url: ${upstream.url}\nunsigned: true\nupstreamMaxAge: 3d\n`,
  );
  const command = async (...args: string[]) =>
    await headwater(['mirror', ...args, '--data-dir', server.config.dataDir], { cwd: directory });
  const status = await command('status');
  expect(status.stdout).toMatch(/test +upstream stale/);
  expect(status.stderr).toMatch(/mirror test: the upstream's documents are older than upstreamMaxAge/);
  const [json] = JSON.parse((await command('status', '--json')).stdout) as unknown[];
  expect(json).toMatchObject({ name: 'test', upstreamStale: true });
});

test('the newest of the dates counts, of changes and of signatures', async () => {
  demand('gpg');
  const key = await SigningKey.make('owner', { made: '20200101' });
  try {
    const upstream = await TestUpstream.start();
    upstream.updated = '2024-01-01T00:00:00Z';
    await upstream.offer(bookworm, '20240101_0000');
    await upstream.sign(key, { at: '20240601' });
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, { keyring: key.keyring, upstreamMaxAge: 3 * day });
    await runOnce(mirror, parts);
    const at = async (time: string) => await mirrorStatus(mirror, parts.catalog.mirrors, new Date(time));
    expect(await at('2024-06-03T00:00:00Z')).toMatchObject({
      upstreamUpdated: new Date('2024-06-01T00:00:00Z'),
      upstreamAge: 2 * 86_400,
      upstreamStale: false,
    });
    expect((await at('2024-06-04T00:00:01Z')).upstreamStale).toBe(true);
    // A run without news changes nothing about it.
    expect((await runOnce(mirror, parts)).outcome).toBe('unchanged');
    expect((await at('2024-06-04T00:00:01Z')).upstreamStale).toBe(true);
  } finally {
    await key.remove();
  }
});

test('an upstream without dates cannot be judged, and the run says so', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(bookworm, '20240101_0000');
  const parts = await mirrorServices();
  const mirror = definition(upstream.url, { upstreamMaxAge: 3 * day });
  const { report } = await runOnce(mirror, parts);
  expect(report.warnings).toEqual([
    expect.stringMatching(/have no date, so that upstreamMaxAge has no effect/),
  ]);
  const status = await mirrorStatus(mirror, parts.catalog.mirrors);
  expect(status).toMatchObject({ upstreamStale: false });
  expect(status).not.toHaveProperty('upstreamAge');
});
