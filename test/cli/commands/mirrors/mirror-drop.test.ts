import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TestUpstream } from '../../../mirror/test-upstream.ts';
import { scratchDirectory } from '../../../support/catalog.ts';
import { headwater, RunningHeadwater } from '../../command-line.ts';

test('a server without the definitions of its mirrors serves their versions until an administrator drops them', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer('debian:bookworm:amd64:default', '20260101_0000');
  const directory = await scratchDirectory();
  const cwd = { cwd: directory };
  await mkdir(join(directory, 'mirrors'));
  await writeFile(
    join(directory, 'mirrors/up.yaml'),
    `url: ${upstream.url}\nunsigned: true\nenabled: true\nselect: [{}]\nstream: images\nmode: on-demand\n`,
  );
  const data = ['--data-dir', 'data'];
  expect(await headwater(['mirror', 'run', 'up', ...data], cwd)).toMatchObject({ code: 0 });
  const checked = await headwater(['config', 'check', ...data], cwd);
  expect(checked.stderr).not.toContain('warning');

  await rename(join(directory, 'mirrors'), join(directory, 'elsewhere'));
  const orphan =
    'mirror up has versions in the catalog (1, 1 of them not downloaded: clients get 503 for these)';
  const server = new RunningHeadwater(
    ['serve', ...data, '--set', 'listen.port=0', '--set', 'tls=off', '--set', 'listen.address=127.0.0.1'],
    cwd,
  );
  await server.until(() => (server.stdout + server.stderr).includes(orphan));
  await server.end('SIGTERM');
  expect((await headwater(['list', ...data], cwd)).stdout).toContain('20260101_0000');

  const check = await headwater(['config', 'check', ...data], cwd);
  expect(check.code).toBe(0);
  expect(check.stderr).toContain(`${orphan}, but ${join(directory, 'mirrors')} has no up.yaml`);
  expect(check.stderr).toContain('run "headwater mirror drop up" (with --not-downloaded');

  const drop = ['mirror', 'drop', 'up', '--not-downloaded', ...data];
  expect(await headwater(drop, cwd)).toMatchObject({ code: 0, stdout: 'removed 1 version of mirror up\n' });
  expect((await headwater(['list', ...data], cwd)).stdout).not.toContain('20260101_0000');
  expect((await headwater(drop, cwd)).stderr).toContain('mirror up has no versions here');
});
