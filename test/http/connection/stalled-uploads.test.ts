import { createHash } from 'node:crypto';
import { readdir, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { ended, makeImage, multipart, upload } from '../../support/push-images.ts';
import { RegistryClient } from '../../support/registry-client.ts';
import { TestServer } from '../../support/server.ts';
import { smallRoot } from '../../support/small-images.ts';

// The watch of bodies looks at them in intervals, and this test says when.
beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
afterEach(() => void vi.useRealTimers());

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const polled = { timeout: 20_000, interval: 50 };
const blobPath = (bytes: Buffer) =>
  `/api/v1/blobs/sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** A body that sends a part of its bytes, and of the rest one byte after the other, or nothing at all. */
async function* slowly(
  bytes: Buffer,
  quick: number,
  rest: 'trickles' | 'stalls',
): AsyncGenerator<Uint8Array> {
  let goesOn = true;
  onTestFinished(() => {
    goesOn = false;
  });
  yield bytes.subarray(0, quick);
  for (let sent = quick; goesOn; sent += rest === 'trickles' ? 1 : 0) {
    await pause(20);
    if (rest === 'trickles') yield bytes.subarray(sent, sent + 1);
  }
}

test('uploads that stall or trickle hold neither places nor files, and those of others get through', async () => {
  const server = await TestServer.start({ limits: { examinations: 2 } });
  const [client, otherClient] = [await RegistryClient.joined(server), await RegistryClient.joined(server)];
  const metric = async (name: string) => {
    const { body } = await server.request('/metrics');
    const line = body
      .toString()
      .split('\n')
      .find((each) => each.startsWith(`${name} `));
    return Number(line?.slice(name.length + 1) ?? 0);
  };
  const directories = ['uploads', 'staging'].map((name) => join(server.config.dataDir, name));
  /** The directories of the files of uploads that are open. */
  const openFiles = async () => {
    const descriptors = await readdir('/proc/self/fd');
    const paths = await Promise.all(
      descriptors.map((descriptor) => readlink(`/proc/self/fd/${descriptor}`).catch(() => '')),
    );
    return paths.map(dirname).filter((directory) => directories.includes(directory));
  };

  const stalled = [];
  const offsets: (() => Promise<string | undefined>)[] = [];
  for (const token of [await server.token(['publish']), await server.token(['publish'])]) {
    const blob = smallRoot(3_000_000);
    const sending = server.request(blobPath(blob), {
      method: 'PUT',
      token,
      headers: { 'content-length': String(blob.length) },
      body: slowly(blob, 2_000_000, 'stalls'),
    });
    const offset = async () =>
      (await server.request(blobPath(blob), { method: 'HEAD', token })).headers['upload-offset'];
    await expect.poll(offset, polled).toBe('2000000');
    stalled.push(sending);
    offsets.push(offset);
  }
  // The second one waits on the disk.
  expect(await metric('headwater_examinations_running')).toBe(1);
  const { metadata } = await makeImage();
  const { body, contentType } = multipart([
    ['metadata', metadata],
    ['rootfs', smallRoot(3_000_000)],
  ]);
  const trickled = client.request('POST', '/1.0/images', {
    headers: { 'content-type': contentType },
    body: slowly(body, 2_000_000, 'trickles'),
  });
  await expect.poll(openFiles, polled).toHaveLength(3);
  expect(new Set(await openFiles())).toEqual(new Set(directories));

  const token = await server.token(['publish']);
  const whole = smallRoot(3_000_000);
  expect((await server.request(blobPath(whole), { method: 'PUT', token, body: whole })).status).toBe(201);
  const pushed = await ended(
    otherClient,
    await upload(otherClient, { ...(await makeImage()), root: smallRoot(3_000_000) }),
  );
  expect(pushed).toMatchObject({ status: 'Success' });
  await expect.poll(() => metric('headwater_examinations_running'), polled).toBe(1);

  const cut = Promise.allSettled([...stalled, trickled]);
  vi.advanceTimersByTime(80_000);
  expect((await cut).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(await metric('headwater_refused_total{limit="slowUpload"}')).toBe(3);
  await expect.poll(() => metric('headwater_examinations_running'), polled).toBe(0);
  await expect.poll(openFiles, polled).toEqual([]);
  expect(await metric('headwater_examinations_waiting')).toBe(0);
  expect(await readdir(join(server.config.dataDir, 'staging'))).toEqual([]);
  // What came of a blob stays, for its sender to go on.
  for (const offset of offsets) expect(await offset()).toBe('2000000');
}, 60_000);
