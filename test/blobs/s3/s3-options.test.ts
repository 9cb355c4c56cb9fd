import { expect, test } from 'vitest';
import { completeOptions } from '../../../src/blobs/s3/s3-options.ts';
import { loadConfig } from '../../../src/config/load.ts';

test('settings of S3 that are left out are those of a configuration that leaves them out', () => {
  const { storage } = loadConfig({
    env: {
      HEADWATER_STORAGE_TYPE: 's3',
      HEADWATER_STORAGE_ENDPOINT: 'https://s3.example.com',
      HEADWATER_STORAGE_BUCKET: 'images',
      HEADWATER_S3_ACCESS_KEY: 'access',
      HEADWATER_S3_SECRET_KEY: 'secret',
    },
  });
  if (storage.type !== 's3') throw new Error('not S3');
  const { endpoint, bucket, credentials, pathStyle, createBucket, partSize, parallel } = storage;
  expect(completeOptions({ endpoint, bucket, accessKey: 'access', secretKey: 'secret' })).toMatchObject({
    ...credentials,
    pathStyle,
    createBucket,
    partSize,
    parallel,
  });
});
