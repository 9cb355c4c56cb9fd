import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TestUpstream } from '../../../mirror/test-upstream.ts';
import { scratchDirectory } from '../../../support/catalog.ts';
import { headwater } from '../../command-line.ts';

test.each([
  ['scheduled', 'TO FETCH', /^up: 1 version to add, 0 kept, 0 to retire; \S+ \S+ to fetch$/m],
  [
    'on-demand',
    'ON DEMAND',
    /^up: 1 version to list, 0 kept, 0 to retire; nothing to fetch now, \S+ \S+ when clients ask for it$/m,
  ],
])('the plan of a mirror that is %s tells what a run fetches', async (mode, column, summary) => {
  const upstream = await TestUpstream.start();
  await upstream.offer('debian:bookworm:amd64:default', '20260101_0000');
  const directory = await scratchDirectory();
  await mkdir(join(directory, 'mirrors'));
  await writeFile(
    join(directory, 'mirrors/up.yaml'),
    `url: ${upstream.url}\nunsigned: true\nenabled: true\nselect: [{}]\nstream: images\nmode: ${mode}\n`,
  );
  const cwd = { cwd: directory };
  const plan = await headwater(['mirror', 'plan', 'up', '--data-dir', 'data'], cwd);
  expect(plan).toMatchObject({ code: 0, stderr: '' });
  expect(plan.stdout).toContain(column);
  expect(plan.stdout).toMatch(summary);

  const json = JSON.parse((await headwater(['mirror', 'plan', '--json', '--data-dir', 'data'], cwd)).stdout);
  const { fetch, onDemand } = json as { fetch: number; onDemand: number };
  const listed = mode === 'on-demand';
  expect(json).toMatchObject({ mirror: 'up', mode, add: [{ fetch, onDemand }] });
  expect([fetch > 0, onDemand > 0]).toEqual([!listed, listed]);
  const run = JSON.parse((await headwater(['mirror', 'run', '--json', '--data-dir', 'data'], cwd)).stdout);
  expect(run).toMatchObject({ outcome: 'success', report: { added: 1, fetched: fetch } });
});
