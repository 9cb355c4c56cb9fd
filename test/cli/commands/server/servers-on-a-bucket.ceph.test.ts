import { randomUUID } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { plainClient } from '../../../blobs/s3/s3-fixture.ts';
import { scratchDirectory } from '../../../support/catalog.ts';
import type { S3Service } from '../../../support/ceph.ts';
import { describeWithCeph } from '../../../support/shared-ceph.ts';
import { makeSmallImage } from '../../../support/small-images.ts';
import { headwater, RunningHeadwater } from '../../command-line.ts';

const imagePath = '/images/debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs';
const agent = new Agent({ connect: { rejectUnauthorized: false } });

/** What commands and servers on a bucket are told. */
interface Place {
  settings: Record<string, string>;
  env: Record<string, string>;
}

function place({ endpoint, accessKey, secretKey }: S3Service, bucket: string): Place {
  return {
    settings: {
      'storage.type': 's3',
      'storage.endpoint': endpoint,
      'storage.bucket': bucket,
      'storage.createBucket': 'true',
      gracePeriod: '1s',
      shutdownTimeout: '0s',
      // What is left of uploads shows when a round of collection has ended.
      'limits.unfinishedUploadAge': '1s',
    },
    env: { HEADWATER_S3_ACCESS_KEY: accessKey, HEADWATER_S3_SECRET_KEY: secretKey },
  };
}

async function configFile(directory: string, { settings }: Place): Promise<string> {
  const nested: Record<string, unknown> = { dataDir: join(directory, 'data'), listen: { port: 0 } };
  for (const [name, value] of Object.entries(settings)) {
    const [group = '', member] = name.split('.');
    const read: unknown = value === 'true' ? true : value;
    if (member === undefined) nested[group] = read;
    else nested[group] = { ...(nested[group] as object | undefined), [member]: read };
  }
  const file = join(directory, 'headwater.yaml');
  await writeFile(file, JSON.stringify(nested));
  return file;
}

/** A server in a process and with a data directory of its own. */
async function serve(config: string, at: Place): Promise<{ server: RunningHeadwater; port: number }> {
  const server = new RunningHeadwater(['serve', '--json', '--config', config], { env: at.env });
  onTestFinished(async () => void (await server.end('SIGKILL')));
  await server.until(() => server.stdout.includes('\n'));
  return { server, port: (JSON.parse(server.stdout) as { port: number }).port };
}

async function get(port: number, path: string): Promise<{ status: number; body: string }> {
  const { statusCode, body } = await request(`https://127.0.0.1:${port}${path}`, { dispatcher: agent });
  return { status: statusCode, body: await body.text() };
}

/** Waits until a server has begun and ended a number of rounds of collection. */
async function collections(directory: string, count: number): Promise<void> {
  const uploads = join(directory, 'data/uploads');
  await mkdir(uploads, { recursive: true });
  for (let round = 0; round < count; round++) {
    await writeFile(join(uploads, 'a'.repeat(64)), 'left');
    await expect.poll(() => readdir(uploads), { interval: 50 }).toEqual([]);
  }
}

/** The keys of all objects of a bucket. */
async function keysIn(service: S3Service, bucket: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { name = '' } of plainClient(service).listObjectsV2(bucket, '', true)) keys.push(name);
  return keys.sort();
}

async function publishedTo(directory: string, at: Place): Promise<string> {
  const config = await configFile(directory, at);
  const image = await makeSmallImage();
  const { code, stderr } = await headwater(['publish', image.metadata, image.root, '--config', config], at);
  expect([code, stderr]).toEqual([0, '']);
  return config;
}

describeWithCeph('servers on a bucket', (service) => {
  test('a second server with its own catalog waits for the end of the first and removes nothing', async () => {
    const bucket = `headwater-servers-${randomUUID()}`;
    const at = place(service(), bucket);
    const [one, two] = [await scratchDirectory(), await scratchDirectory()];
    const first = await serve(await publishedTo(one, at), at);
    expect((await get(first.port, imagePath)).status).toBe(200);
    const blobs = (await keysIn(service(), bucket)).filter((key) => key.startsWith('blobs/'));
    expect(blobs).toHaveLength(2);

    const config = await configFile(two, at);
    expect(await headwater(['serve', '--config', config], at)).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(/another catalog .*Stop that server, or give this one another store/),
    });
    expect((await get(first.port, imagePath)).status).toBe(200);

    expect(await first.server.end('SIGTERM')).toBe(0);
    const second = await serve(config, at);
    expect((await get(second.port, '/streams/v1/index.json')).status).toBe(200);
    expect((await get(second.port, '/readyz?write')).status).toBe(200);
    expect((await get(second.port, '/metrics')).body).toMatch(/^headwater_store_owned 0$/m);
    // The third round looks through the whole store.
    await collections(two, 4);
    expect(second.server.stderr).toContain('headwater storage adopt');
    expect(await keysIn(service(), bucket)).toEqual(expect.arrayContaining(blobs));

    expect(await second.server.end('SIGTERM')).toBe(0);
    const again = await serve(join(one, 'headwater.yaml'), at);
    expect((await get(again.port, '/metrics')).body).toMatch(/^headwater_store_owned 1$/m);
    expect((await get(again.port, imagePath)).status).toBe(200);
  });

  test.each([
    ['bucket', { 'storage.bucket': `headwater-wrong-${randomUUID()}` }],
    ['prefix', { 'storage.prefix': 'wrong/' }],
  ])(
    'a wrong %s beside a catalog that names blobs is refused, and nothing is made there',
    async (_, wrong) => {
      const bucket = `headwater-right-${randomUUID()}`;
      const right = place(service(), bucket);
      const directory = await scratchDirectory();
      await publishedTo(directory, right);
      const before = await keysIn(service(), bucket);
      const config = await configFile(directory, { ...right, settings: { ...right.settings, ...wrong } });
      const { code, stderr } = await headwater(['serve', '--config', config], right);
      expect([code, stderr]).toEqual([7, expect.stringMatching(/storage.bucket|there is no bucket/)]);
      expect(await keysIn(service(), bucket)).toEqual(before);
      if ('storage.bucket' in wrong) {
        expect(await plainClient(service()).bucketExists(wrong['storage.bucket'])).toBe(false);
      }
      // With the right one again, all is well.
      const { port } = await serve(await configFile(directory, right), right);
      expect((await get(port, imagePath)).status).toBe(200);
    },
  );

  test('an empty bucket beside a catalog that names blobs is refused and stays empty', async () => {
    const right = place(service(), `headwater-right-${randomUUID()}`);
    const directory = await scratchDirectory();
    await publishedTo(directory, right);
    const bucket = `headwater-empty-${randomUUID()}`;
    await plainClient(service()).makeBucket(bucket);
    const config = await configFile(directory, {
      ...right,
      settings: { ...right.settings, 'storage.bucket': bucket },
    });
    expect(await headwater(['serve', '--config', config], right)).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('storage.bucket'),
    });
    expect(await keysIn(service(), bucket)).toEqual([]);
  });
});
