import * as z from 'zod';
import { boolean, integer, isWebAddress, size, text } from './fields.ts';

const mebibyte = 2 ** 20;

/** The setting `storage`: where blobs are stored. */
export const storage = z.discriminatedUnion(
  'type',
  [
    z.strictObject({ type: z.literal('directory') }),
    z.strictObject({
      type: z.literal('s3'),
      endpoint: text(
        'the address of the S3 service, such as https://s3.example.com',
        (value) => isWebAddress(value) && new URL(value).pathname === '/',
      ),
      bucket: text('the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens', (value) =>
        /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(value),
      ),
      region: text('the name of a region, such as eu-central-1', (value) =>
        /^[\w-]+$/.test(value),
      ).exactOptional(),
      /** Prefix of every key; it ends with a slash if keys should look like paths. */
      prefix: text('a prefix for keys, such as headwater/, without a leading slash', (value) =>
        /^(?!\/)[\w!.*'()/-]{1,512}$/.test(value),
      ).exactOptional(),
      /** https://endpoint/bucket/key rather than https://bucket.endpoint/key */
      pathStyle: boolean.prefault(true),
      /** Answer requests for image files with a redirect to a presigned link. */
      redirect: boolean.prefault(false),
      /** Bytes; the limits of multipart uploads in S3. */
      partSize: size(5 * mebibyte, 5 * 1024 * mebibyte, 'from 5MiB to 5GiB').prefault('8MiB'),
      /** Parts that are sent at the same time, of all uploads together. */
      parallel: integer(1, 64).prefault(3),
      createBucket: boolean.prefault(false),
    }),
  ],
  { error: 'expected directory or s3' },
);

/** Storage in a bucket, as in the file. */
export type S3Settings = Extract<z.output<typeof storage>, { type: 's3' }>;

/** Keys of an S3 store. They come from the environment only, never from a file. */
export interface S3Credentials {
  accessKey: string;
  secretKey: string;
  sessionToken?: string;
}
