import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { clientEnvironment, clients, emptyDaemons } from '../support/daemons.ts';
import { program } from './headwater.ts';

const readme = fileURLToPath(new URL('../../README.md', import.meta.url));

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'headwater-tour-'));
  for (const client of clients) await client.forgetIndex();
});

afterAll(async () => {
  await emptyDaemons();
  await rm(directory, { recursive: true, force: true });
});

test('the tour of the README works as pasted into a shell', async () => {
  const text = await readFile(readme, 'utf8');
  const tour = /<!-- tour -->(.*?)<!-- \/tour -->/s.exec(text)?.[1] ?? '';
  const blocks = [...tour.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block ?? '');
  expect(blocks.length).toBeGreaterThan(0);

  const programs = path.join(directory, 'bin');
  await mkdir(programs);
  const wrapper = `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`;
  await writeFile(path.join(programs, 'headwater'), wrapper, { mode: 0o755 });
  const empty = path.join(directory, 'empty');
  await mkdir(empty);
  const { code, output } = await bash(`set -exuo pipefail\n${blocks.join('\n')}`, empty, programs);
  expect(code, output).toBe(0);
});

/** Runs a script and then ends whatever it left in the background. */
async function bash(
  script: string,
  cwd: string,
  programs: string,
): Promise<{ code: number | null; output: string }> {
  const child = spawn('bash', ['-c', script], {
    cwd,
    env: { ...process.env, ...clientEnvironment, PATH: `${programs}:${process.env['PATH']}` },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Its own process group, so that the server it starts can be found again.
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
  } catch {
    // Nothing was left.
  }
  return { code, output };
}
