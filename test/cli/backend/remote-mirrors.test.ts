import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { RemoteMirrors } from '../../../src/cli/backend/remote-mirrors.ts';
import { exitCodeOf } from '../../../src/cli/exit-codes.ts';
import { loadMirrors } from '../../../src/config/mirror-definitions.ts';
import { isUpstream } from '../../../src/config/sites/any-definition.ts';
import type { RunResult } from '../../../src/mirror/run/report.ts';
import { isSchedule } from '../../../src/mirror/schedule.ts';
import type { MirrorStatus } from '../../../src/mirror/status.ts';
import { TestUpstream } from '../../mirror/test-upstream.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { TestServer } from '../../support/server.ts';
import { headwater, RunningHeadwater } from '../command-line.ts';

const product = 'debian:bookworm:amd64:default';
const root = 'images/debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs';

/** A configuration with two mirrors, one of them enabled, and their upstream. */
async function makeSite(size?: number) {
  const upstream = await TestUpstream.start();
  await upstream.offer(product, '20260101_0000', size === undefined ? {} : { size });
  const directory = await scratchDirectory();
  const mirrorDir = join(directory, 'mirrors');
  await mkdir(mirrorDir);
  const defined = `url: ${upstream.url}\nunsigned: true\nselect: [{}]\nstream: images\nkeep: { removed: retire }\n`;
  await writeFile(join(mirrorDir, 'up.yaml'), `${defined}enabled: true\n`);
  await writeFile(join(mirrorDir, 'off.yaml'), `${defined}enabled: false\n`);
  const config = join(directory, 'headwater.yaml');
  const dataDir = join(directory, 'data');
  const listen = 'listen: { address: 127.0.0.1, port: 0 }';
  await writeFile(config, `dataDir: ${dataDir}\nmirrorDir: ${mirrorDir}\ntls: off\n${listen}\n`);
  return { upstream, config, dataDir, mirrorDir };
}

/** A server with mirrors, and commands that work on it and on its data directory. */
async function setUp(size?: number) {
  const { upstream, config, dataDir, mirrorDir } = await makeSite(size);
  const mirrors = loadMirrors({ directory: mirrorDir, env: {}, isSchedule }).filter(isUpstream);
  const server = await TestServer.start({ tls: 'off', dataDir, mirrorDir }, mirrors);
  const local = async (...args: string[]) => await headwater(['mirror', ...args, '--config', config]);
  const env = {
    HEADWATER_SERVER: server.url('', 'http'),
    HEADWATER_TOKEN: await server.token(['admin']),
  };
  const remote = async (...args: string[]) => await headwater(['mirror', ...args], { env });
  return { upstream, env, local, remote };
}

test('list, run and status print on a server what they print on its data directory', async () => {
  const { local, remote } = await setUp();
  const listed = await remote('list');
  expect(listed).toMatchObject({ code: 0, stderr: '' });
  expect(listed.stdout).toBe((await local('list')).stdout);
  expect((await remote('status')).stdout).toBe((await local('status')).stdout);

  const run = await remote('run', 'up', '--json');
  expect(run).toMatchObject({ code: 0, stderr: '' });
  const result = JSON.parse(run.stdout) as RunResult;
  expect(result).toMatchObject({ mirror: 'up', outcome: 'success', report: { added: 1 } });
  const [status] = JSON.parse((await local('status', 'up', '--json')).stdout) as MirrorStatus[];
  expect(status?.lastRun).toMatchObject({ cause: 'manual', ...pick(result) });
  const [there] = JSON.parse((await remote('status', 'up', '--json')).stdout) as MirrorStatus[];
  expect({ ...there, age: 0 }).toEqual({ ...status, age: 0 });
  // Without a name, all that are enabled.
  const again = await remote('run');
  expect(again).toMatchObject({ code: 0, stdout: 'up: the upstream has not changed\n', stderr: '' });
  expect(again.stdout).toBe((await local('run')).stdout);
});

const pick = ({ outcome, startedAt, finishedAt, report }: RunResult) => ({
  outcome,
  startedAt,
  finishedAt,
  report,
});

test('a run that fails ends as it does on the data directory', async () => {
  const { upstream, local, remote } = await setUp();
  const whole = new Map(upstream.files);
  upstream.files.set(root, Buffer.alloc(whole.get(root)?.length ?? 0));
  const same = async (code: number, message: RegExp) => {
    const there = await remote('run', 'up');
    const here = await local('run', 'up');
    expect(there).toMatchObject({ code, stderr: expect.stringMatching(message) });
    expect({ code: here.code, stderr: here.stderr }).toEqual({ code: there.code, stderr: there.stderr });
  };
  await same(7, /mirror up is incomplete: 1 of its versions failed/);
  upstream.files.clear();
  await same(4, /has no streams\/v1\/index\.json/);
  upstream.files.set('streams/v1/index.json', Buffer.from('no JSON'));
  await same(3, /index\.json: not JSON/);
  for (const [path, bytes] of whole) upstream.files.set(path, bytes);
  expect((await remote('run', 'up')).code).toBe(0);
}, 60_000);

test('--force is passed on', async () => {
  const { upstream, remote } = await setUp();
  expect((await remote('run', 'up')).code).toBe(0);
  for (const name of Object.keys(upstream.products)) delete upstream.products[name];
  upstream.announce();
  const refused = await remote('run', 'up');
  expect(refused).toMatchObject({ code: 5, stderr: expect.stringMatching(/maxShrink/) });
  const forced = await remote('run', 'up', '--force');
  expect(forced).toMatchObject({ code: 0, stdout: expect.stringMatching(/1 retired/) });
});

test('an interrupted command leaves the run going on, and says so', async () => {
  const { upstream, env, remote } = await setUp(1_500_000);
  upstream.pace = 10;
  const command = new RunningHeadwater(['mirror', 'run', 'up'], { env });
  await command.until(() => upstream.requests.some((request) => request.includes(root)));
  const second = await remote('run', 'up');
  expect(second).toMatchObject({ code: 5, stderr: expect.stringMatching(/mirror up is running already/) });
  expect(await command.end('SIGINT')).toBe(130);
  expect(command.stderr).toMatch(/the run of mirror up continues on http:.*headwater mirror status up/);
  upstream.pace = undefined;
  const outcome = async () => {
    const [status] = JSON.parse((await remote('status', 'up', '--json')).stdout) as MirrorStatus[];
    return status?.lastRun?.outcome;
  };
  await expect.poll(outcome, { timeout: 30_000, interval: 500 }).toBe('success');
});

test('a server that ends during a run ends the command', async () => {
  const { upstream, config } = await makeSite(1_500_000);
  upstream.pace = 10;
  const server = new RunningHeadwater(['serve', '--json', '--config', config]);
  onTestFinished(async () => {
    await server.end('SIGKILL');
  });
  await server.until(() => server.stdout.includes('\n'));
  const { url } = JSON.parse(server.stdout) as { url: string };
  const made = await headwater(['token', 'create', 'admin', '--allow', 'admin', '--config', config]);
  const target = { server: url, token: made.stdout.trim(), insecure: false };
  const running = RemoteMirrors.with(
    target,
    (mirrors) => mirrors.run('up', { force: false, signal: new AbortController().signal }),
    { reconnectTimeout: 100 },
  );
  const failure = running.catch((error: unknown) => error);
  await expect.poll(() => upstream.requests.some((request) => request.includes(root))).toBe(true);
  await server.end('SIGKILL');
  expect(String(await failure)).toMatch(/cannot be reached/);
  expect(exitCodeOf(await failure)).toBe(7);
});

test('what a server cannot do, or does not know, is said', async () => {
  const { remote } = await setUp();
  const local = /a plan needs a data directory\. Use --data-dir or --config/;
  expect(await remote('plan', 'up')).toMatchObject({ code: 2, stderr: expect.stringMatching(local) });
  expect(await remote('run', '--dry-run')).toMatchObject({ code: 2, stderr: expect.stringMatching(local) });
  const none = { code: 4, stderr: expect.stringMatching(/there is no mirror none/) };
  expect(await remote('run', 'none')).toMatchObject(none);
  expect(await remote('status', 'none')).toMatchObject(none);
  expect(await remote('run', 'off')).toMatchObject({
    code: 5,
    stderr: expect.stringMatching(/mirror off is not enabled: set "enabled: true"/),
  });
  expect(await remote('list', '--token', 'wrong')).toMatchObject({ code: 6 });
});
