import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { xz } from '../../../src/image/compression/xz/xz-pack.ts';
import { addWarning, emptyReport } from '../../../src/mirror/run/report.ts';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { headwater } from '../../cli/command-line.ts';
import { file, packTar, symlink } from '../../image/fixtures.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, held, mirrorServices } from '../workspace.ts';

const product = 'debian:bookworm:amd64:default';
const warning = expect.stringMatching(
  /^debian:bookworm:amd64:default 20260101_0000: .*"templates" is a link to "\/etc": .*rule templates-link/,
) as string;

/** An upstream with an image that points out of itself. */
async function startUpstream(): Promise<TestUpstream> {
  const upstream = await TestUpstream.start();
  const yaml =
    'architecture: amd64\ncreation_date: 1767225600\nproperties: {os: debian, release: bookworm}\n';
  const metadata = await xz(await packTar([file('metadata.yaml', yaml), symlink('templates', '/etc')]));
  await upstream.offer(product, '20260101_0000', { metadata });
  return upstream;
}

test('a run reports images that break a rule that is set to warn, and the audit log has the warnings', async () => {
  const upstream = await startUpstream();
  const parts = await mirrorServices(undefined, { 'templates-link': 'warn' });
  const { outcome, report } = await runMirror(definition(upstream.url), parts, { cause: 'manual' });
  expect({ outcome, warnings: report.warnings }).toEqual({ outcome: 'success', warnings: [warning] });
  const entries = await parts.catalog.audit.list({ who: 'mirror:test', limit: 10 });
  const [publish] = entries.filter(({ action }) => action === 'version.publish');
  expect(publish?.details).toMatchObject({
    warnings: [expect.stringContaining('"templates" is a link to "/etc"')],
  });
});

test('where the rule refuses, the version fails and nothing warns', async () => {
  const upstream = await startUpstream();
  const parts = await mirrorServices();
  const { outcome, report } = await runMirror(definition(upstream.url), parts, { cause: 'manual' });
  expect({ outcome, warnings: report.warnings }).toEqual({ outcome: 'partial', warnings: [] });
  expect(report.failed).toMatchObject([{ error: expect.stringContaining('rule templates-link') as string }]);
  expect(await held(parts)).toEqual([]);
});

test('"mirror run" prints the warnings', async () => {
  const upstream = await startUpstream();
  const directory = await scratchDirectory();
  await mkdir(join(directory, 'mirrors'));
  await writeFile(
    join(directory, 'mirrors/up.yaml'),
    `url: ${upstream.url}\nunsigned: true\nenabled: true\nselect: [{}]\nstream: images\n`,
  );
  const env = { HEADWATER_IMAGE_RULES: '{templates-link: warn}' };
  const run = await headwater(['mirror', 'run', 'up', '--data-dir', 'data'], { cwd: directory, env });
  expect(run.code).toBe(0);
  expect(run.stderr).toMatch(/^headwater: warning: debian:bookworm:.*rule templates-link/m);
});

test('a report has a bounded number of warnings, and the last one refers to the audit log', () => {
  const report = emptyReport();
  for (let number = 0; number < 100; number++) addWarning(report, `warning ${number}`);
  expect(report.warnings).toHaveLength(51);
  expect(report.warnings.at(-1)).toContain('headwater audit');
});
