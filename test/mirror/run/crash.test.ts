import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { headwater, program } from '../../cli/command-line.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { TestUpstream } from '../test-upstream.ts';

const kills = 14;
/** Bytes a millisecond that the upstream sends: a run shall take a while. */
const pace = 400;

test('runs killed at any moment end in what an undisturbed run brings, and fetch nothing twice', async () => {
  const upstream = await TestUpstream.start();
  for (const release of ['one', 'two', 'three', 'four']) {
    for (const serial of ['20260101_0000', '20260102_0000']) {
      await upstream.offer(`debian:${release}:amd64:default`, serial, { size: 100_000 });
    }
  }
  upstream.pace = pace;
  const undisturbed = await site(upstream.url);
  const before = Date.now();
  expect((await headwater(['mirror', 'run'], { cwd: undisturbed })).code).toBe(0);
  const length = Date.now() - before;

  const disturbed = await site(upstream.url);
  for (let kill = 0; kill < kills; kill++) {
    await checkedRun(upstream, disturbed, async (child, ended) => {
      await Promise.race([sleep(length * Math.random()), ended]);
      child.kill('SIGKILL');
    });
  }
  expect(await checkedRun(upstream, disturbed, () => Promise.resolve())).toBe(0);

  expect(await contents(disturbed)).toEqual(await contents(undisturbed));
  expect(await blobs(disturbed)).toEqual(await blobs(undisturbed));
  expect(await files(join(disturbed, 'data/staging'))).toEqual([]);
  expect(await files(join(disturbed, 'data/downloads'))).toEqual([]);
  const { stdout } = await headwater(['mirror', 'status', '--json'], { cwd: disturbed });
  expect(JSON.parse(stdout)).toMatchObject([
    { running: false, lastRun: { outcome: expect.stringMatching(/success|unchanged/) } },
  ]);
}, 120_000);

/** A directory with a definition in it. */
async function site(url: string): Promise<string> {
  const directory = await scratchDirectory();
  await mkdir(join(directory, 'mirrors'));
  await writeFile(join(directory, 'mirrors/up.yaml'), `url: ${url}\nunsigned: true\nconcurrency: 3\n`);
  return directory;
}

/** Runs the mirror, and checks that it asks for no file that was here before. @returns the exit code */
async function checkedRun(
  upstream: TestUpstream,
  directory: string,
  meanwhile: (child: ChildProcess, ended: Promise<number | null>) => Promise<void>,
): Promise<number | null> {
  const held = new Set(await blobs(directory));
  upstream.takeRequests();
  const child = spawn(process.execPath, [program, 'mirror', 'run'], { cwd: directory, stdio: 'ignore' });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  await meanwhile(child, ended);
  const code = await ended;
  const again = upstream
    .takeRequests()
    .map((request) => request.split(' ')[1] ?? '')
    .filter((path) => path.startsWith('images/') && held.has(upstream.digestOf(path)));
  expect(again).toEqual([]);
  return code;
}

async function contents(directory: string): Promise<unknown> {
  const { stdout } = await headwater(['list', '--all-versions', '--json'], { cwd: directory });
  return (JSON.parse(stdout) as { publishedAt?: string }[]).map(({ publishedAt: _, ...version }) => version);
}

async function blobs(directory: string): Promise<string[]> {
  return (await files(join(directory, 'data/blobs')))
    .map((path) => path.slice(path.lastIndexOf('/') + 1))
    .sort();
}

async function files(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
