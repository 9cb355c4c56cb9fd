import { randomUUID } from 'node:crypto';
import { Client } from 'minio';
import { digestOfKey } from '../../../src/blobs/blob-key.ts';
import type { S3Options } from '../../../src/blobs/s3/s3-options.ts';
import type { S3Service } from '../../support/ceph.ts';

/** All tests of a file share a bucket, each with a prefix of its own. */
const bucket = `headwater-test-${randomUUID()}`;

/** Options for an empty store with small parts. */
export function s3Options(service: S3Service, options: Partial<S3Options> = {}): S3Options {
  return {
    ...service,
    bucket,
    prefix: `${randomUUID()}/`,
    createBucket: true,
    partSize: 5 * 1024 * 1024,
    ...options,
  };
}

/** The S3 service as somebody else sees it, who knows nothing of blobs. */
export function plainClient({ endpoint, accessKey, secretKey }: S3Service): Client {
  const { hostname, port } = new URL(endpoint);
  return new Client({
    endPoint: hostname,
    port: Number(port),
    useSSL: false,
    accessKey,
    secretKey,
    region: 'us-east-1',
  });
}

/** What lies below the prefix of a store beside whole blobs. */
export async function leftoversOf(service: S3Service, options: S3Options): Promise<string[]> {
  const client = plainClient(service);
  const prefix = options.prefix ?? '';
  const found: string[] = [];
  for await (const { name = '' } of client.listObjectsV2(options.bucket, prefix, true)) {
    if (digestOfKey(name.slice(prefix.length)) === undefined) found.push(name);
  }
  for await (const { key } of client.listIncompleteUploads(options.bucket, prefix, true)) {
    found.push(`upload of ${key}`);
  }
  return found;
}
