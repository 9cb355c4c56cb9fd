import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { headwater } from '../cli/command-line.ts';
import { scratchDirectory } from '../support/catalog.ts';
import { mountExt4, mountMemory, mountReadOnly } from '../support/mount.ts';
import { ext4FaultsAreMissing, rootIsMissing } from '../support/needs.ts';
import { TestServer } from '../support/server.ts';
import { makeSmallImage, type SmallImage } from '../support/small-images.ts';
import { heldIntervals, logLines } from './log-lines.ts';

vi.mock('../../src/ops/log.ts', { spy: true });

const lines = logLines();
heldIntervals();

const minute = 60_000;
const imagePath = '/images/debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs';

async function get(server: TestServer, path: string): Promise<{ status: number; text: string }> {
  const { status, body } = await server.request(path, { scheme: 'http' });
  return { status, text: body.toString() };
}

async function publish(server: TestServer, { metadata, root }: SmallImage): Promise<void> {
  await server.publish({ files: [metadata, root].map((path) => ({ from: 'disk', name: path, path })) });
}

describe.skipIf(rootIsMissing())('what is mounted read-only (needs root, to mount)', () => {
  test('the directory of the blobs: readiness, metrics and the log say so until it can be written', async () => {
    const server = await TestServer.start({ tls: 'off' });
    await publish(server, await makeSmallImage());
    const blobs = join(server.config.dataDir, 'blobs/sha256');
    const unmount = await mountReadOnly(blobs);
    let isMounted = true;
    onTestFinished(async () => {
      if (isMounted) await unmount();
    });
    const told = expect.stringMatching(/blobs\/sha256.* mounted read-only \(EROFS\): mount it for writing/);
    expect(await get(server, '/readyz?write')).toEqual({ status: 503, text: told });
    expect((await get(server, '/readyz')).status).toBe(200);
    expect((await get(server, imagePath)).status).toBe(200);
    // Into a directory that exists, and into one that has to be made.
    for (const os of ['alpine', 'debian', 'void', 'gentoo'])
      await expect(
        publish(server, await makeSmallImage({ os, serial: '20260102_0000' })),
      ).rejects.toMatchObject({
        kind: 'unavailable',
        message: told,
      });
    await vi.advanceTimersByTimeAsync(3 * minute);
    await expect
      .poll(() => lines.said('cannot be written'))
      .toEqual([expect.objectContaining({ reason: told })]);
    expect((await get(server, '/metrics')).text).toContain('headwater_store_writable 0');

    await unmount();
    isMounted = false;
    await vi.advanceTimersByTimeAsync(minute);
    await expect.poll(() => lines.said('can be written again').length).toBe(1);
    expect(lines.said('the blob store failed').filter(({ operation }) => operation === 'check')).toEqual([]);
    await publish(server, await makeSmallImage({ os: 'alpine' }));
    await expect.poll(async () => (await get(server, '/readyz?write')).status).toBe(200);
  });

  test.skipIf(ext4FaultsAreMissing())(
    'the whole data directory, because its disk fails while the server runs',
    async () => {
      const disk = await mountExt4();
      onTestFinished(() => disk.unmount());
      const server = await TestServer.start({ tls: 'off', dataDir: join(disk.path, 'data') });
      const token = await server.token(['read', 'publish', 'remove', 'admin']);
      await publish(server, await makeSmallImage());
      await disk.fail();
      expect(await get(server, '/readyz?write')).toEqual({
        status: 503,
        text: expect.stringContaining('mounted read-only'),
      });
      expect((await get(server, '/readyz')).status).toBe(200);
      expect((await get(server, imagePath)).status).toBe(200);
      const readOnly = {
        error: { kind: 'unavailable', message: expect.stringContaining('mounted read-only') },
      };
      const body = JSON.stringify({ name: 'new' });
      const headers = { 'content-type': 'application/json' };
      const created = await server.request('/api/v1/tokens', {
        scheme: 'http',
        method: 'POST',
        token,
        body,
        headers,
      });
      expect(created.json()).toEqual(readOnly);
      const blob = await readFile((await makeSmallImage({ os: 'alpine' })).metadata);
      const { digest } = { digest: 'ab'.repeat(32) };
      const put = await server.request(`/api/v1/blobs/sha256:${digest}`, {
        scheme: 'http',
        method: 'PUT',
        token,
        body: blob,
      });
      expect(put.json()).toEqual(readOnly);
      await vi.advanceTimersByTimeAsync(3 * minute);
      await expect.poll(() => lines.said('cannot be written').length).toBe(1);
      expect((await get(server, '/metrics')).status).toBe(200);
    },
  );

  test('the whole data directory, before a command', async () => {
    const disk = await mountMemory('64m');
    onTestFinished(() => disk.unmount());
    const data = join(disk.path, 'data');
    const { metadata, root } = await makeSmallImage();
    expect(await headwater(['publish', metadata, root, '--data-dir', data])).toMatchObject({ code: 0 });
    await disk.remount('ro');
    for (const command of [['publish', metadata, root], ['list'], ['token', 'create', 'x'], ['serve']]) {
      const { code, stderr } = await headwater([...command, '--data-dir', data]);
      expect({ code, stderr }, command[0]).toEqual({
        code: 3,
        stderr: expect.stringMatching(
          /data is on a file system that is mounted read-only .*: mount it for writing/,
        ),
      });
    }
  });
});

test('a data directory that may not be written names the access that is missing', async () => {
  const directory = join(await scratchDirectory(), 'data');
  await mkdir(directory);
  await chmod(directory, 0o500);
  const { Catalog } = await import('../../src/catalog/catalog.ts');
  const opening = asNobody(() => Catalog.open(join(directory, 'catalog.db')));
  await expect(opening).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining('give the user that runs Headwater write access'),
  });
});

/** Does something with the rights of a user who owns nothing. */
async function asNobody<Result>(work: () => Promise<Result>): Promise<Result> {
  if (process.geteuid?.() !== 0) return await work();
  process.seteuid?.(65534);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}
