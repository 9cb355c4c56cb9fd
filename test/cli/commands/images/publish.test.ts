import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Published } from '../../../../src/publish/request.ts';
import { attempt } from '../../../support/command.ts';
import { digestOf, smallImage } from '../../../support/images.ts';
import { headwater, program, RunningHeadwater } from '../../command-line.ts';

const properties = { os: 'Debian', release: 'bookworm', serial: '20260131_0524' };

let images: string;
let metadata: string;
let root: string;
let dataDir: string;

beforeAll(async () => {
  images = await mkdtemp(join(tmpdir(), 'headwater-publish-'));
  [metadata, root] = await smallImage(join(images, 'one'), { properties });
});
afterAll(() => rm(images, { recursive: true }));
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'headwater-data-'));
});
afterEach(() => rm(dataDir, { recursive: true }));

const publish = (...args: string[]) => headwater(['publish', ...args, '--data-dir', dataDir]);

async function listed(): Promise<unknown[]> {
  const { code, stdout } = await headwater(['list', '--json', '--all-versions', '--data-dir', dataDir]);
  return code === 4 ? [] : (JSON.parse(stdout) as unknown[]);
}

describe('publish', () => {
  test('finishes even if its output is not read', async () => {
    const command = `"$0" "$1" publish "$2" "$3" --data-dir "$4" | true; echo "\${PIPESTATUS[0]}"`;
    const words = [process.execPath, program, metadata, root, dataDir];
    const { stdout } = await attempt('bash', ['-c', command, ...words]);
    expect(stdout).toBe('0\n');
    expect(await listed()).toHaveLength(1);
  });

  test('an archive that could be waited for without end is refused', async () => {
    const header = Buffer.alloc(512);
    header.write('x');
    header.write('0000644\0', 100);
    header.write('\x810000000000\0', 124, 'latin1');
    header.write('        0', 148);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    const path = join(dataDir, 'endless.tar');
    await writeFile(path, Buffer.concat([header, Buffer.alloc(4096)]));
    const { code, stderr } = await publish(path);
    expect({ code, stderr }).toMatchObject({ code: 3, stderr: expect.stringContaining('endless.tar') });
  });

  test('prints the result and no progress bar in a pipe', async () => {
    const fingerprint = await digestOf(metadata, root);
    const { code, stdout, stderr } = await publish(metadata, root, '--alias', 'team/base');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n')).toEqual([
      'debian:bookworm:amd64:default@20260131_0524 published in the stream images',
      expect.stringMatching(`^  container, \\S+ KiB, from rootfs\\.squashfs: fingerprint ${fingerprint}$`),
      '  aliases: debian/bookworm, debian/bookworm/default, team/base',
      '',
    ]);
  });

  test('with --json prints a line', async () => {
    const first = await publish(
      metadata,
      root,
      '--json',
      '--label',
      'daily',
      '--requirement',
      'secureboot=false',
    );
    expect(first.stdout).toMatch(/^[^\n]+\n$/);
    expect(JSON.parse(first.stdout)).toEqual({
      outcome: 'created',
      product: 'debian:bookworm:amd64:default',
      serial: '20260131_0524',
      stream: 'images',
      aliases: ['debian/bookworm', 'debian/bookworm/default'],
      images: [
        {
          type: 'container',
          file: 'rootfs.squashfs',
          fingerprint: await digestOf(metadata, root),
          size: expect.any(Number),
        },
      ],
      warnings: [],
    } satisfies Published);
    expect(await listed()).toMatchObject([{ label: 'daily', requirements: { secureboot: 'false' } }]);

    const again = await publish(metadata, root, '--json');
    expect(again.code).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({ outcome: 'unchanged' });
    expect((await publish(metadata, root)).stdout).toContain('already exists with the same files');
  });

  test('of other files under the same serial is a conflict that changes nothing', async () => {
    await publish(metadata, root);
    const before = await listed();
    const [, other] = await smallImage(join(images, 'other'), { properties });
    const { code, stdout, stderr } = await publish(metadata, other);
    expect({ code, stdout }).toEqual({ code: 5, stdout: '' });
    expect(stderr).toMatch(
      /^headwater: product debian:bookworm:amd64:default already has a version 20260131_0524 /,
    );
    expect(await listed()).toEqual(before);
  });

  test('of directories publishes a version of each, and checks SHA256SUMS', async () => {
    const later = { ...properties, serial: '20260201_0000' };
    const files = await smallImage(join(images, 'two'), { properties: later });
    const two = dirname(files[0]);
    const { code, stdout } = await publish(
      dirname(root),
      two,
      '--json',
      '--alias',
      'a',
      '--stream',
      'nightly',
      '--create-stream',
    );
    expect(code).toBe(0);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Published);
    expect(lines.map(({ serial, stream }) => ({ serial, stream }))).toEqual([
      { serial: '20260131_0524', stream: 'nightly' },
      { serial: '20260201_0000', stream: 'nightly' },
    ]);
    expect(lines[0]?.aliases).toContain('a');

    await writeFile(join(two, 'SHA256SUMS'), `${'0'.repeat(64)}  rootfs.squashfs\n`);
    const wrong = await publish(two);
    expect(wrong.code).toBe(3);
    expect(wrong.stderr).toMatch(/rootfs\.squashfs.*0{64} was announced/);
  });

  test.each([
    ['an unknown architecture', ['--arch', 'pdp11'], 3, '--arch: architecture "pdp11" is not known'],
    [
      'an architecture that metadata.yaml contradicts',
      ['--arch', 'arm64'],
      3,
      '--arch was given as arm64, but',
    ],
  ])('refuses %s, and keeps nothing', async (_, flags, expected, message) => {
    const { code, stderr } = await publish(metadata, root, ...flags);
    expect(code).toBe(expected);
    expect(stderr).toContain(message);
    expect(await listed()).toEqual([]);
  });

  test('refuses a mix of files and directories', async () => {
    const { code, stderr } = await publish(metadata, dirname(root));
    expect(code).toBe(2);
    expect(stderr).toContain('cannot be mixed: publish the files of one version, or directories');
  });
});

describe('on a large file', () => {
  let large: string;

  beforeAll(async () => {
    [, large] = await smallImage(join(images, 'large'), { properties });
    // What follows a squashfs does not matter to it. It costs time to read, but no space.
    await truncate(large, 2 * 2 ** 30);
  });

  test('SIGINT stops it and leaves nothing behind', async () => {
    const running = new RunningHeadwater(['publish', metadata, large, '--data-dir', dataDir]);
    const staging = join(dataDir, 'staging');
    await running.until(async () => (await readdir(staging).catch(() => [])).length > 0);
    expect(await running.end('SIGINT')).toBe(130);
    expect(running.stdout).toBe('');
    expect(running.stderr).toMatch(/^headwater: .*interrupted; nothing more was published\n$/);
    expect(await readdir(staging)).toEqual([]);
    expect(await listed()).toEqual([]);
  });

  test('a terminal shows the progress, the rate and the remaining time', async () => {
    const line = [process.execPath, program, 'publish', metadata, large, '--data-dir', dataDir].join(' ');
    const { code, stdout } = await attempt('script', ['-qec', `timeout -s INT 3 ${line}`, '/dev/null']);
    expect(code).not.toBe(0);
    const bar =
      /rootfs\.squashfs {2}\[[= ]{24}\] {2}\d+% {2}[\d.]+ MiB of 2\.0 GiB {2}[\d.]+ [KMG]iB\/s {2}\d[\dhms]* left/;
    expect(stdout).toMatch(bar);
  });
});
