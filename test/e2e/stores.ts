import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { Client } from 'minio';
import { inject } from 'vitest';

/** A blob store of its own for one Headwater. */
export interface FreshStore {
  settings: Record<string, unknown>;
  environment: Record<string, string>;
  /** What is in it, by paths as `sha256/ab/<hex>`, and what was begun but never finished. */
  contents(dataDirectory: string): Promise<{ blobs: string[]; unfinished: string[] }>;
}

export const stores: readonly { name: string; fresh: () => FreshStore }[] = [
  {
    name: 'directory',
    fresh: () => ({ settings: {}, environment: {}, contents: directoryContents }),
  },
  { name: 's3', fresh: freshBucket },
];

async function directoryContents(dataDirectory: string): Promise<{ blobs: string[]; unfinished: string[] }> {
  return {
    blobs: await filesIn(path.join(dataDirectory, 'blobs')),
    unfinished: await filesIn(path.join(dataDirectory, 'staging')),
  };
}

function freshBucket(): FreshStore {
  const { endpoint, accessKey, secretKey } = inject('s3');
  const bucket = `headwater-${randomUUID()}`;
  const { hostname, port, protocol } = new URL(endpoint);
  const useSSL = protocol === 'https:';
  const client = new Client({ endPoint: hostname, port: Number(port), useSSL, accessKey, secretKey });
  return {
    settings: {
      // The least size of a part that S3 allows: the images of the tests then take several.
      storage: { type: 's3', endpoint, bucket, createBucket: true, partSize: '5MiB' },
    },
    environment: { HEADWATER_S3_ACCESS_KEY: accessKey, HEADWATER_S3_SECRET_KEY: secretKey },
    async contents(dataDirectory) {
      const blobs: string[] = [];
      // Beside them are what the store says of itself and what is set aside.
      for await (const object of client.listObjectsV2(bucket, 'blobs/', true)) {
        blobs.push((object as { name: string }).name);
      }
      const unfinished = await filesIn(path.join(dataDirectory, 'staging'));
      for await (const upload of client.listIncompleteUploads(bucket, '', true)) {
        unfinished.push((upload as { key: string }).key);
      }
      return { blobs: blobs.map((name) => name.replace(/^blobs\//, '')).sort(), unfinished };
    },
  };
}

/** The files below a directory, in order; none when it does not exist. */
async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
    .sort();
}
