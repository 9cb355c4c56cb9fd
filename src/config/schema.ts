import { isIP } from 'node:net';
import * as z from 'zod';
import {
  boolean,
  choice,
  duration,
  isHost,
  isWebAddress,
  leaf,
  path,
  period,
  size,
  streamName,
  text,
  whole,
} from './fields.ts';
import { allowedUpstream } from './upstream-fields.ts';

// The settings of Headwater. config/headwater.yaml documents each of them and must agree with this file
// (test/config/documented.test.ts).

const mebibyte = 2 ** 20;
const tebibyte = 2 ** 40;

const listen = z.strictObject({
  /** `::` is every address of both families. */
  address: text('an IP address or a host name, such as :: or 192.0.2.1', isHost).prefault('::'),
  /** 0 lets the system choose a free one. */
  port: whole(0, 65_535).prefault(8443),
});

const certificateFiles = z.strictObject({
  /** PEM: the certificate, then those that lead to its authority. */
  certificate: path('a PEM file with the certificate'),
  /** PEM */
  key: path("a PEM file with the certificate's private key"),
});

/** Where blobs are kept. */
const storage = z.discriminatedUnion(
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
      /** Put before every key; ends with a slash where keys shall look like a directory's. */
      prefix: text(
        'what the keys of blobs begin with, such as headwater/, without a slash at its start',
        (value) => /^(?!\/)[\w!.*'()/-]{1,512}$/.test(value),
      ).exactOptional(),
      /** https://endpoint/bucket/key rather than https://bucket.endpoint/key */
      pathStyle: boolean.prefault(true),
      /** Answer requests for image files with a redirect to a presigned link. */
      redirect: boolean.prefault(false),
      /** Bytes; the limits are those of S3's multipart uploads. */
      partSize: size(5 * mebibyte, 5 * 1024 * mebibyte, 'from 5MiB to 5GiB').prefault('8MiB'),
      /** Parts of all uploads together that are sent at the same time. */
      parallel: whole(1, 64).prefault(3),
      createBucket: boolean.prefault(false),
    }),
  ],
  { error: 'expected directory or s3' },
);

const streams = leaf(
  'map',
  z.record(
    streamName,
    z.strictObject(
      {
        /** Whether anyone may read it. A stream that is not listed is public. */
        public: boolean,
      },
      { error: 'expected {public: true} or {public: false}' },
    ),
    { error: 'expected streams by their names, such as {images: {public: true}}' },
  ),
);

const networks = leaf(
  'map',
  z.array(text('an address or a network, such as 192.0.2.7 or 10.0.0.0/8', isNetwork), {
    error: 'expected a list of addresses and networks, such as [10.0.0.0/8]',
  }),
);

const ruleSetting = choice(['refuse', 'warn']).exactOptional();

/** By the names of `image/image-rules.ts`. */
const imageRules = leaf(
  'map',
  z.strictObject(
    {
      'templates-link': ruleSetting,
      'rootfs-link': ruleSetting,
      'exec-output-link': ruleSetting,
      'outside-link': ruleSetting,
      'outside-device': ruleSetting,
      'outside-name': ruleSetting,
      'behind-link': ruleSetting,
      'template-path': ruleSetting,
      'template-target': ruleSetting,
    },
    { error: 'expected rules by their names, such as {templates-link: warn}' },
  ),
);

export const schema = z.strictObject({
  listen: listen.prefault({}),
  /** Where clients reach the server, when that is not its own address; without a slash at its end. */
  publicUrl: text('an address such as https://images.example.com', isWebAddress)
    .transform((value) => value.replace(/\/+$/, ''))
    .exactOptional(),
  /** Proxies that are believed when they say where a request comes from (`X-Forwarded-For`). */
  trustedProxies: networks.prefault([]),
  tls: z
    .union([choice(['self-signed', 'off']), certificateFiles], {
      error: 'expected self-signed, off, or the files as {certificate: FILE, key: FILE}',
    })
    .prefault('self-signed'),
  dataDir: path('a directory').prefault('./data'),
  storage: storage.prefault({ type: 'directory' }),
  /** Where the definitions of mirrors are (`mirror-schema.ts`). */
  mirrorDir: path('a directory').prefault('./mirrors'),
  streams: streams.prefault({ images: { public: true } }),
  /** Milliseconds that what left a document stays fetchable. */
  gracePeriod: duration.prefault('6h'),
  /** How blobs leave the store. */
  collection: z
    .strictObject({
      /** Milliseconds that blobs are set aside before they are removed: those that no version names any more, */
      keepRemoved: period.prefault('1d'),
      /** and those that the catalog never knew. */
      keepUnknown: period.prefault('7d'),
      /** Percent of the blobs that the catalog may not know; a sweep that finds more stops. */
      share: whole(0, 100).prefault(10),
    })
    .prefault({}),
  /** What becomes of images that break a rule: they are refused unless it says `warn`. */
  imageRules: imageRules.prefault({}),
  limits: z
    .strictObject({
      /** Bytes of one uploaded blob. */
      uploadSize: size(1, 8192 * tebibyte - 1, 'of at least 1 byte').prefault('64GiB'),
      /** Unfinished uploads of one token or client, their bytes, and milliseconds that they are kept. */
      unfinishedUploads: whole(1, 10_000).prefault(64),
      unfinishedUploadBytes: size(1, 8192 * tebibyte - 1, 'of at least 1 byte').prefault('128GiB'),
      unfinishedUploadAge: duration.prefault('12h'),
      /** Entries of the audit log that are kept. */
      auditEntries: whole(1000, 100_000_000).prefault(100_000),
      /** Connections that are open, of all clients and of one address. */
      connections: whole(10, 1_000_000).prefault(10_000),
      connectionsPerAddress: whole(1, 1_000_000).prefault(2000),
      /** Requests that are under way, of all clients and of one address. */
      requests: whole(10, 1_000_000).prefault(5000),
      requestsPerAddress: whole(1, 1_000_000).prefault(1500),
      /** Milliseconds that a client may take nothing of its response. */
      sendTimeout: duration
        .refine((value) => value >= 1000, { error: 'expected a duration of at least 1s' })
        .prefault('2m'),
      /** Files that are looked into at the same time. */
      examinations: whole(2, 1024).prefault(8),
      /** Bytes of memory for that; one file may take half. */
      examinationMemory: size(64 * mebibyte, tebibyte, 'of at least 64MiB').prefault('512MiB'),
      /** Milliseconds without progress after which looking into a file is given up. */
      examinationTimeout: duration
        .refine((value) => value >= 1000, { error: 'expected a duration of at least 1s' })
        .prefault('1m'),
    })
    .prefault({}),
  registry: z
    .strictObject({
      /** Where images go that clients push. */
      stream: streamName.prefault('pushed'),
      /** Versions that the product of an alias keeps. */
      keep: whole(1, 1_000_000).prefault(10),
      /** Bytes of pushed images: in a stream, and of one client or token. */
      streamQuota: size(1, 8192 * tebibyte - 1, 'of at least 1 byte').exactOptional(),
      entryQuota: size(1, 8192 * tebibyte - 1, 'of at least 1 byte').exactOptional(),
      /** From where images may be pulled that clients have copied without --mode push. */
      pullFrom: networks.prefault([]),
      /** Image servers (simplestreams) that clients may have copied from; what is below an address is meant, too. */
      mirrorFrom: leaf(
        'map',
        z.array(allowedUpstream, {
          error:
            'expected a list of image servers, such as [{url: https://images.example.com, keyring: FILE}]',
        }),
      ).prefault([]),
      /** Milliseconds between looks at what images with auto-update are copied from. */
      refreshEvery: duration
        .refine((value) => value >= 1000, { error: 'expected a duration of at least 1s' })
        .prefault('6h'),
    })
    .prefault({}),
  /** Milliseconds that requests have to end after the server was asked to stop. */
  shutdownTimeout: duration.prefault('30s'),
  log: z
    .strictObject({
      level: choice(['trace', 'debug', 'info', 'warn', 'error', 'silent']).prefault('info'),
      /** `auto`: text on a terminal, JSON otherwise. */
      format: choice(['auto', 'json', 'text']).prefault('auto'),
    })
    .prefault({}),
});

/** Keys to an S3 store. They come from the environment only, never from a file. */
export interface S3Credentials {
  accessKey: string;
  secretKey: string;
  sessionToken?: string;
}

type Settings = z.output<typeof schema>;
/** Storage in a bucket, as the file says it. */
export type S3Settings = Extract<Settings['storage'], { type: 's3' }>;

/**
 * The settings of a running Headwater: sizes in bytes, durations in milliseconds, paths absolute. `credentials` throws
 * a HeadwaterError `invalid` when the environment has none.
 */
export type Config = Omit<Settings, 'storage'> & {
  storage: { type: 'directory' } | (S3Settings & { credentials: S3Credentials });
  /** A secret that lets every client in that knows it. It comes from the environment only. */
  joinSecret?: string;
};

/** The settings as a file holds them. */
export type ConfigInput = z.input<typeof schema>;

function isNetwork(value: string): boolean {
  const [address = '', prefix, ...rest] = value.split('/');
  const bits = isIP(address) === 6 ? 128 : 32;
  return (
    isIP(address) !== 0 &&
    // A zone (`fe80::1%eth0`) would be passed over, so that more is meant than was written.
    !address.includes('%') &&
    rest.length === 0 &&
    (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits))
  );
}
