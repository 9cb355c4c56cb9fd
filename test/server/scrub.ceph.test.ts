import { randomUUID } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { blobKey } from '../../src/blobs/blob-key.ts';
import type { Digest } from '../../src/model/digest.ts';
import { verifyHeld } from '../../src/ops/verify/verify.ts';
import { plainClient } from '../blobs/s3/s3-fixture.ts';
import type { S3Service } from '../support/ceph.ts';
import { describeWithCeph } from '../support/shared-ceph.ts';
import { provesScrub, scrubbedServer } from './scrubbed-server.ts';

/** A server on a bucket of its own, and a function that flips a byte of a blob in it. */
async function onBucket({ endpoint, accessKey, secretKey }: S3Service, redirect: boolean) {
  const bucket = `scrub-${randomUUID()}`;
  const storage = { type: 's3' as const, endpoint, bucket, createBucket: true, redirect };
  const env = { HEADWATER_S3_ACCESS_KEY: accessKey, HEADWATER_S3_SECRET_KEY: secretKey };
  const world = await scrubbedServer({ storage }, env);
  const flip = async (digest: Digest) => {
    const client = plainClient({ endpoint, accessKey, secretKey });
    const bytes = await buffer(await client.getObject(bucket, blobKey(digest)));
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    await client.putObject(bucket, blobKey(digest), bytes);
  };
  return { world, flip };
}

describeWithCeph('a scrub of a bucket', (service) => {
  test('finds a flipped byte, which is served no longer, and is mended', async () => {
    const { world, flip } = await onBucket(service(), false);
    await provesScrub(world, flip);
  });

  test('finds one where clients are redirected to the bucket; a repair on demand does, too', async () => {
    const { world, flip } = await onBucket(service(), true);
    const { services, digest, fetch, run, scrub } = world;
    expect((await fetch()).status).toBe(307);
    await flip(digest);
    expect(await scrub()).toMatchObject({ last: { damaged: 1 } });
    expect((await fetch()).status).toBe(503);
    expect(await run()).toBe('success');
    expect((await fetch()).status).toBe(307);
    await flip(digest);
    const found = await verifyHeld(services, { read: true, repair: true });
    expect(found).toMatchObject({ lost: [{ digest, state: 'damaged' }] });
    expect((await fetch()).status).toBe(503);
    expect(await run()).toBe('success');
    expect(await verifyHeld(services, { read: true, repair: false })).toMatchObject({ lost: [] });
  });
});
