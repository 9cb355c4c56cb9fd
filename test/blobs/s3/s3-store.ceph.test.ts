import { randomUUID } from 'node:crypto';
import type { LookupFunction } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { blobKey } from '../../../src/blobs/blob-key.ts';
import type { S3Options } from '../../../src/blobs/s3/s3-options.ts';
import { S3Store } from '../../../src/blobs/s3/s3-store.ts';
import { processName } from '../../../src/files/process-name.ts';
import { freePort } from '../../support/ports.ts';
import { describeWithCeph } from '../../support/shared-ceph.ts';
import { startWriting } from '../abandoned-write.ts';
import { get, listed, put, sample } from '../bytes.ts';
import { leftoversOf, plainClient, s3Options } from './s3-fixture.ts';

const mebibyte = 1024 * 1024;
const severalParts = 3 * 5 * mebibyte + 123_457;

function storeFor(options: S3Options): S3Store {
  const store = new S3Store(options);
  onTestFinished(() => store.close());
  return store;
}

async function openStore(options: S3Options): Promise<S3Store> {
  const store = storeFor(options);
  await store.open();
  return store;
}

describeWithCeph('S3 store and its service', (service) => {
  test('replaces a record only when nobody else has, where that is a condition', async () => {
    const options = s3Options(service());
    const [one, two] = [await openStore(options), await openStore(options)];
    const refused = {
      kind: 'conflict',
      message: expect.stringContaining('another process changed the object'),
    };
    await one.writeRecord('lease', 'first', { replaces: undefined });
    await expect(two.writeRecord('lease', 'other', { replaces: undefined })).rejects.toMatchObject(refused);
    expect(await two.readRecord('lease')).toBe('first');
    await one.writeRecord('lease', 'second', { replaces: 'first' });
    await expect(two.writeRecord('lease', 'other', { replaces: 'first' })).rejects.toMatchObject(refused);
    expect(await two.readRecord('lease')).toBe('second');
    await two.writeRecord('lease', 'third', { replaces: 'second' });
    await one.writeRecord('lease', 'last');
    expect(await two.readRecord('lease')).toBe('last');
  });

  describe('reaching the bucket', () => {
    test('makes it only when told to', async () => {
      const options = s3Options(service(), { bucket: `missing-${randomUUID()}`, createBucket: false });
      await expect(storeFor(options).open()).rejects.toMatchObject({
        kind: 'unavailable',
        message: expect.stringMatching(/there is no bucket missing-.*createBucket/),
      });
      await openStore({ ...options, createBucket: true });
      await openStore(options);
    });

    test('a bucket that vanished is no store without blobs', async () => {
      const options = s3Options(service(), { bucket: `vanishing-${randomUUID()}` });
      const store = await openStore(options);
      const { digest } = sample(1);
      expect(await store.stat(digest)).toBeUndefined();
      await plainClient(service()).removeBucket(options.bucket);
      const vanished = { kind: 'unavailable', message: expect.stringContaining('there is no bucket') };
      await expect(store.stat(digest)).rejects.toMatchObject(vanished);
      await expect(store.read(digest)).rejects.toMatchObject(vanished);
      await expect(put(store, sample(1000))).rejects.toMatchObject(vanished);
      await expect(listed(store)).rejects.toMatchObject(vanished);
      await expect(store.check()).rejects.toMatchObject(vanished);
    });

    test.each([
      ['access key', { accessKey: 'nobody' }, 'HEADWATER_S3_ACCESS_KEY'],
      ['secret key', { secretKey: 'wrong' }, 'HEADWATER_S3_SECRET_KEY'],
    ])('with a wrong %s says so', async (_, wrong, advice) => {
      await openStore(s3Options(service()));
      await expect(storeFor(s3Options(service(), wrong)).open()).rejects.toMatchObject({
        kind: 'unavailable',
        message: expect.stringContaining(advice),
      });
    });

    test('where nobody listens says so', async () => {
      const endpoint = `http://127.0.0.1:${await freePort()}`;
      await expect(storeFor(s3Options(service(), { endpoint })).open()).rejects.toMatchObject({
        kind: 'unavailable',
        message: expect.stringMatching(`${endpoint}: .*connection refused`),
      });
    });

    test.each([
      ['endpoint', 's3.example.com'],
      ['endpoint', 'http://s3.example.com/path'],
      ['bucket', 'No_Bucket'],
      ['partSize', 1000],
    ])('with a %s that cannot be, names it: %s', (name, value) => {
      const make = () => new S3Store({ ...s3Options(service()), [name]: value });
      expect(make).toThrow(expect.objectContaining({ kind: 'invalid' }));
      expect(make).toThrow(`storage.${name}`);
    });
  });

  test('keeps a blob under its digest, below the prefix', async () => {
    const options = s3Options(service());
    const blob = sample(1000);
    await put(await openStore(options), blob);
    const { size } = await plainClient(service()).statObject(
      options.bucket,
      `${options.prefix}${blobKey(blob.digest)}`,
    );
    expect(size).toBe(1000);
    expect(await listed(await openStore(s3Options(service())))).toEqual([]);
  });

  test('lists more blobs than a page has', async () => {
    const options = s3Options(service());
    const store = await openStore(options);
    const client = plainClient(service());
    const digests = Array.from({ length: 1100 }, () => sample(8).digest);
    for (let start = 0; start < digests.length; start += 50) {
      await Promise.all(
        digests
          .slice(start, start + 50)
          .map((digest) => client.putObject(options.bucket, `${options.prefix}${blobKey(digest)}`, 'x')),
      );
    }
    await client.putObject(options.bucket, `${options.prefix}blobs/sha256/README`, 'not a blob');
    expect(new Set((await listed(store)).map(({ digest }) => digest))).toEqual(new Set(digests));
  });

  test('addresses the bucket as a host', async () => {
    const endpoint = service().endpoint.replace('127.0.0.1', 'localhost');
    const asked = new Set<string>();
    const lookup: LookupFunction = (host, options, done) => {
      asked.add(host);
      if (options.all === true) done(null, [{ address: '127.0.0.1', family: 4 }]);
      else done(null, '127.0.0.1', 4);
    };
    const options = s3Options(service(), { endpoint, pathStyle: false, lookup });
    const store = await openStore(options);
    const blob = sample(severalParts);
    await put(store, blob);
    expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
    expect(asked).toEqual(new Set([`${options.bucket}.localhost`]));
    const link = new URL(await store.presign(blob.digest, { expiresInSeconds: 60, method: 'GET' }));
    expect(link.hostname).toBe(`${options.bucket}.localhost`);
  });

  describe('presigned links', () => {
    test('fetch a blob and its size without keys', async () => {
      const store = await openStore(s3Options(service()));
      const blob = sample(1000);
      await put(store, blob);
      const link = await store.presign(blob.digest, { expiresInSeconds: 60, method: 'GET' });
      expect(Buffer.from(await (await fetch(link)).arrayBuffer())).toEqual(blob.bytes);
      const part = await fetch(link, { headers: { range: 'bytes=10-19' } });
      expect(part.status).toBe(206);
      expect(Buffer.from(await part.arrayBuffer())).toEqual(blob.bytes.subarray(10, 20));
      const head = await store.presign(blob.digest, { expiresInSeconds: 60, method: 'HEAD' });
      const answer = await fetch(head, { method: 'HEAD' });
      expect([answer.status, answer.headers.get('content-length')]).toEqual([200, '1000']);
    });

    test('do nothing else, and end', async () => {
      const store = await openStore(s3Options(service()));
      const blob = sample(1000);
      await put(store, blob);
      const link = await store.presign(blob.digest, { expiresInSeconds: 1, method: 'GET' });
      expect((await fetch(link, { method: 'DELETE' })).status).toBe(403);
      await expect.poll(async () => (await fetch(link)).status, { timeout: 10_000, interval: 500 }).toBe(403);
      expect(await get(store, blob.digest)).toEqual(blob.bytes);
    });
  });

  test('cleans up after a process that was killed, not after one that still writes', async () => {
    const options = s3Options(service());
    const leftovers = () => leftoversOf(service(), options);
    const writing = await startWriting('s3/s3-store.ts', 'S3Store', options);
    await expect.poll(leftovers, { timeout: 10_000 }).toHaveLength(1);
    const own = `${options.prefix}staging/${await processName()}`;
    const foreign = own.replace(/staging\/\w+\.\w+/, 'staging/0123abcd.4567cdef');
    const ended = own.replace(/\.(\d+)\.(\d+)-/, '.$1.1-');
    const notes = `${options.prefix}staging/notes.txt`;
    const client = plainClient(service());
    for (const key of [own, foreign, ended, notes]) await client.putObject(options.bucket, key, 'x');
    await client.initiateNewMultipartUpload(options.bucket, ended, {});
    await openStore(options);
    expect(await leftovers()).toHaveLength(4);
    await writing.kill();
    const store = await openStore(options);
    expect((await leftovers()).sort()).toEqual([own, foreign, notes].sort());
    expect(await listed(store)).toEqual([]);
  });
});
