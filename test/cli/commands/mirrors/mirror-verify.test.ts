import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { TestUpstream } from '../../../mirror/test-upstream.ts';
import { SigningKey } from '../../../mirror/upstream/gpg.ts';
import { flip } from '../../../ops/scrub/flip.ts';
import { scratchDirectory } from '../../../support/catalog.ts';
import { demand } from '../../../support/needs.ts';
import { headwater } from '../../command-line.ts';

const product = 'debian:bookworm:amd64:default';

test('mirror verify proves versions, finds a flipped byte, and repairs it from the upstream; show tells the origin', async () => {
  demand('gpg');
  const key = await SigningKey.make('owner');
  onTestFinished(() => key.remove());
  const upstream = await TestUpstream.start();
  await upstream.offer(product, '20260101_0000');
  await upstream.sign(key);
  const directory = await scratchDirectory();
  await mkdir(join(directory, 'mirrors'));
  await writeFile(
    join(directory, 'mirrors/up.yaml'),
    `url: ${upstream.url}\nkeyring: ${key.keyring}\nenabled: true\nselect: [{}]\nstream: images\n`,
  );
  const run = async (...args: string[]) =>
    await headwater([...args, '--data-dir', 'data'], { cwd: directory });
  expect((await run('mirror', 'run')).code).toBe(0);
  expect(await run('mirror', 'verify')).toMatchObject({
    code: 0,
    stdout: 'mirror up: 1 versions, files looked up: 1 proven\n',
  });

  const shown = await run('show', 'debian/bookworm', '--provenance');
  expect(shown.stdout).toMatch(/^ {2}proof: +upstream/m);
  expect(shown.stdout).toMatch(/^ {2}signed by: +[0-9A-F]{40} owner <owner@example\.com>$/m);
  expect(shown.stdout).toContain(`${upstream.url}/streams/v1/images.sjson`);
  const [json] = JSON.parse((await run('show', 'debian/bookworm', '--provenance', '--json')).stdout) as [
    { provenance: unknown },
  ];
  expect(json.provenance).toMatchObject({ proof: 'upstream', mirror: 'up', servedBy: upstream.url });
  expect((await run('show', 'debian/bookworm')).stdout).not.toContain('provenance');

  const path = `images/debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs`;
  const digest = upstream.digestOf(path);
  await flip(join(directory, 'data/blobs/sha256', digest.slice(0, 2), digest));
  expect((await run('mirror', 'verify', 'up')).code).toBe(0);
  const found = await run('mirror', 'verify', 'up', '--read', '--json');
  expect(found.code).toBe(3);
  expect(JSON.parse(found.stdout)).toMatchObject({
    mirror: 'up',
    counts: { proven: 0, damaged: 1 },
    versions: [{ product, serial: '20260101_0000', result: 'damaged' }],
    next: [expect.stringContaining('headwater mirror verify up --read --repair')],
  });
  // While the upstream does not answer, nothing is repaired, and the damaged file is set aside.
  const bytes = upstream.files.get(path) ?? Buffer.alloc(0);
  upstream.files.delete(path);
  const failed = await run('mirror', 'verify', 'up', '--read', '--repair');
  expect(failed.code).toBe(3);
  expect(failed.stderr).toContain('next: the upstream did not serve these files again');
  upstream.files.set(path, bytes);
  expect(await run('mirror', 'verify', 'up', '--read', '--repair')).toMatchObject({
    code: 0,
    stdout: 'mirror up: 1 versions, files read: 1 proven, 1 repaired\n',
  });
  expect((await run('verify', '--read')).code).toBe(0);
});

test('mirror verify says how to write its options', async () => {
  const directory = await scratchDirectory();
  const wrong = await headwater(['mirror', 'verify', '--read', 'ubuntu', '--data-dir', 'data'], {
    cwd: directory,
  });
  expect(wrong).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--read ubuntu: expected a percentage') as string,
  });
  const remote = await headwater(['mirror', 'verify', '--server', 'https://images.example.com'], {
    cwd: directory,
  });
  expect(remote).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('needs a data directory') as string,
  });
});
