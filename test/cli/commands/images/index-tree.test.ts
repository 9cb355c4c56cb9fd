import { cp, mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Published } from '../../../../src/publish/request.ts';
import { smallImage } from '../../../support/images.ts';
import { headwater, RunningHeadwater } from '../../command-line.ts';

let directory: string;
let tree: string;
let dataDir: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-index-'));
  [tree, dataDir] = [join(directory, 'tree'), join(directory, 'data')];
  await mkdir(tree);
});
afterEach(() => rm(directory, { recursive: true }));

/** Puts a version into the tree at once, as a builder that renames does. */
async function add(serial: string, os = 'debian'): Promise<string> {
  const made = join(directory, `made-${os}-${serial}`);
  await smallImage(made, { properties: { os, release: 'bookworm' } });
  const place = join(tree, os, 'bookworm', 'amd64', 'default', serial);
  await mkdir(dirname(place), { recursive: true });
  await rename(made, place);
  return place;
}

const index = (...args: string[]) => headwater(['index', tree, ...args, '--data-dir', dataDir]);

const publishedIn = (stdout: string) =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Published);

describe('index', () => {
  test('a tree without versions ends with 3 and describes the expected layout', async () => {
    const { code, stderr } = await index();
    expect(code).toBe(3);
    expect(stderr).toContain(`no versions found under ${tree}`);
    expect(stderr).toContain('<os>/<release>/<architecture>/<variant>/<serial>');
  });

  test('publishes every version once, and later only new ones', async () => {
    await add('20260101_0000');
    await add('20260101_0000', 'alpine');
    const first = await index();
    expect(first).toMatchObject({ code: 0, stderr: '2 published, 0 already present, 0 failed\n' });
    expect(first.stdout).toBe(
      'alpine:bookworm:amd64:default@20260101_0000 published\ndebian:bookworm:amd64:default@20260101_0000 published\n',
    );
    await add('20260102_0000');
    const second = await index('--json');
    expect(second).toMatchObject({ code: 0, stderr: '' });
    expect(publishedIn(second.stdout)).toMatchObject([
      { outcome: 'created', serial: '20260102_0000', stream: 'images' },
    ]);
    expect((await index()).stderr).toBe('0 published, 3 already present, 0 failed\n');
  });

  test('leaves the files in place, and copies none without --copy', async () => {
    const place = await add('20260101_0000');
    const root = join(place, 'rootfs.squashfs');
    await index();
    expect((await stat(root)).nlink).toBe(2);
    const copied = join(directory, 'copied');
    await cp(tree, copied, { recursive: true });
    expect((await headwater(['index', copied, '--copy', '--data-dir', join(directory, 'other')])).code).toBe(
      0,
    );
    const copy = join(copied, 'debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs');
    expect((await stat(copy)).nlink).toBe(1);
  });

  test('a version that fails does not stop the others, and the command ends with 3', async () => {
    const bad = await add('20260101_0000');
    await writeFile(join(bad, 'rootfs.squashfs'), 'no squashfs');
    await add('20260102_0000');
    const { code, stdout, stderr } = await index('--json', '--stream', 'nightly', '--create-stream');
    expect(code).toBe(3);
    expect(publishedIn(stdout)).toMatchObject([{ serial: '20260102_0000', stream: 'nightly' }]);
    const [warning, error, object] = stderr.split('\n');
    expect(warning).toMatch(/^headwater: warning: .*20260101_0000.*rootfs\.squashfs/);
    expect(error).toBe(`headwater: ${tree}: 1 of 2 versions failed`);
    expect(JSON.parse(object ?? '')).toMatchObject({ error: { kind: 'invalid', exitCode: 3 } });
  });

  test('of a missing directory ends with 4', async () => {
    expect((await headwater(['index', join(directory, 'none'), '--data-dir', dataDir])).code).toBe(4);
  });

  test('--watch publishes new versions until it is stopped', async () => {
    await add('20260101_0000');
    const watching = new RunningHeadwater(['index', tree, '--watch', '--json', '--data-dir', dataDir]);
    await watching.until(() => publishedIn(watching.stdout).length === 1);
    await add('20260102_0000');
    await watching.until(() => publishedIn(watching.stdout).length === 2);
    expect(await watching.end('SIGTERM')).toBe(0);
    expect(watching.stderr).toBe('');
    expect(publishedIn(watching.stdout).map(({ serial }) => serial)).toEqual([
      '20260101_0000',
      '20260102_0000',
    ]);
  });
});
