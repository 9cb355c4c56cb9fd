import type { LookupFunction } from 'node:net';
import type { Backoff } from '../../async/backoff.ts';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';

/** The address of a bucket, and how to use it. */
export interface S3Options {
  /** `http://host:port` or `https://host` */
  endpoint: string;
  bucket: string;
  accessKey: string;
  secretKey: string;
  sessionToken?: string;
  /** The region that requests are signed for; from the endpoint at Amazon, else `us-east-1`, when left out. */
  region?: string;
  /** A prefix for every key; ends with a slash if keys should look like paths of a directory. */
  prefix?: string;
  /** `https://endpoint/bucket/key` (the default) rather than `https://bucket.endpoint/key`. */
  pathStyle?: boolean;
  /** Make the bucket when it is missing. */
  createBucket?: boolean;
  /** Bytes of a part of an upload, 8 MiB when left out; parts of a huge blob are larger. */
  partSize?: number;
  /**
   * Parts of all uploads together that are sent at the same time; 3 when left out. The store keeps so many parts
   * in memory, and one more for each upload.
   */
  parallel?: number;
  retry?: Partial<Backoff>;
  /** Milliseconds in which a connection must be made. */
  connectTimeout?: number;
  /** Milliseconds without progress after which a connection counts as dead. */
  idleTimeout?: number;
  /** Bytes that the service copies in one request (5 GiB: the limit of S3); larger blobs in pieces of that size. */
  copyLimit?: number;
  /** Resolves a host name; as the system does if omitted. */
  lookup?: LookupFunction;
}

/** The options, complete. */
export type S3Settings = Required<Omit<S3Options, 'sessionToken' | 'lookup' | 'retry' | 'endpoint'>> &
  Pick<S3Options, 'sessionToken' | 'lookup'> & { endpoint: URL; retry: Backoff };

const mebibyte = 1024 * 1024;

/** S3's limits: bytes of the smallest part (but the last), and of the largest. */
const minPartSize = 5 * mebibyte;
const maxPartSize = 5 * 1024 * mebibyte;

/** Fills in omitted options. @throws HeadwaterError `invalid`, naming the setting */
export function completeOptions(options: S3Options): S3Settings {
  const endpoint = parseEndpoint(options.endpoint);
  const partSize = options.partSize ?? 8 * mebibyte;
  if (partSize < minPartSize || partSize > maxPartSize) {
    throw new HeadwaterError(
      'invalid',
      `storage.partSize: expected 5 MiB to 5 GiB, the limits of S3; not ${partSize}`,
    );
  }
  // The rule of S3 for the names of buckets; others could not be part of a host name.
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(options.bucket) || /\.\.|^[\d.]+$/.test(options.bucket)) {
    throw new HeadwaterError(
      'invalid',
      `storage.bucket: ${JSON.stringify(options.bucket)} cannot name a bucket: expected 3 to 63 lower-case letters, digits, dots and hyphens`,
    );
  }
  return {
    endpoint,
    bucket: options.bucket,
    accessKey: options.accessKey,
    secretKey: options.secretKey,
    region: options.region ?? regionOf(endpoint),
    prefix: options.prefix ?? '',
    pathStyle: options.pathStyle ?? true,
    createBucket: options.createBucket ?? false,
    partSize,
    parallel: options.parallel ?? 3,
    retry: { attempts: 4, firstDelay: 200, longestDelay: 5_000, ...options.retry },
    connectTimeout: options.connectTimeout ?? 3_000,
    idleTimeout: options.idleTimeout ?? 60_000,
    copyLimit: options.copyLimit ?? maxPartSize,
    ...defined({ sessionToken: options.sessionToken, lookup: options.lookup }),
  };
}

function parseEndpoint(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.pathname !== '/') {
    throw new HeadwaterError(
      'invalid',
      `storage.endpoint: ${JSON.stringify(text)}: expected an address such as https://s3.example.com`,
    );
  }
  return url;
}

function regionOf(endpoint: URL): string {
  return /^s3[.-]([a-z0-9-]+)\.amazonaws\.com/.exec(endpoint.hostname)?.[1] ?? 'us-east-1';
}
