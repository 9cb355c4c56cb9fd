import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { mountMemory } from '../../support/mount.ts';
import { rootIsMissing } from '../../support/needs.ts';
import { TestServer } from '../../support/server.ts';
import { makeSmallImage } from '../../support/small-images.ts';

const digestOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

test.skipIf(rootIsMissing())(
  'an upload that has no room gives its bytes back at once, and the server goes on',
  async () => {
    const disk = await mountMemory('24m');
    onTestFinished(() => disk.unmount());
    const dataDir = join(disk.path, 'data');
    const server = await TestServer.start({ dataDir });
    const token = await server.token(['publish', 'admin']);
    const image = await makeSmallImage();
    const metadata = await readFile(image.metadata);
    const large = Buffer.concat([await readFile(image.root), randomBytes(40 * 1024 * 1024)]);
    const put = (body: Buffer) =>
      server.request(`/api/v1/blobs/sha256:${digestOf(body)}`, { method: 'PUT', token, body });
    const refused = await put(large);
    expect(refused.status, refused.body.toString()).toBe(507);
    expect(refused.json()).toMatchObject({
      error: { kind: 'no-space', message: expect.stringContaining('the disk is full') },
    });
    expect(await readdir(join(dataDir, 'uploads'))).toEqual([]);
    expect((await put(metadata)).status).toBe(201);
  },
);
