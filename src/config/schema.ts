import { isIP } from 'node:net';
import * as z from 'zod';
import {
  boolean,
  choice,
  duration,
  integer,
  isHost,
  isWebAddress,
  leaf,
  path,
  period,
  size,
  streamName,
  text,
} from './fields.ts';
import { allowedUpstream } from './upstream-fields.ts';

// The settings of Headwater. config/headwater.yaml documents each of them and must agree with this file
// (test/config/documented.test.ts).

const mebibyte = 2 ** 20;
const tebibyte = 2 ** 40;

const listen = z.strictObject({
  /** `::` is every address, IPv4 and IPv6. */
  address: text('an IP address or a host name, such as :: or 192.0.2.1', isHost).prefault('::'),
  /** With 0, the system chooses a free port. */
  port: integer(0, 65_535).prefault(8443),
});

const certificateFiles = z.strictObject({
  /** PEM: the certificate, then the intermediate certificates. */
  certificate: path('a PEM file with the certificate'),
  /** PEM */
  key: path("a PEM file with the certificate's private key"),
});

/** Where blobs are stored. */
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

const streams = leaf(
  'map',
  z.record(
    streamName,
    z.strictObject(
      {
        /** Whether reading requires no token. Streams that are not listed are public. */
        public: boolean,
      },
      { error: 'expected {public: true} or {public: false}' },
    ),
    { error: 'expected streams by name, such as {images: {public: true}}' },
  ),
);

const networks = leaf(
  'map',
  z.array(text('an address or a network, such as 192.0.2.7 or 10.0.0.0/8', isNetwork), {
    error: 'expected a list of addresses and networks, such as [10.0.0.0/8]',
  }),
);

const ruleSetting = choice(['refuse', 'warn']).exactOptional();

/** The rules of `image/image-rules.ts`. */
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
    { error: 'expected rules by name, such as {templates-link: warn}' },
  ),
);

export const schema = z.strictObject({
  listen: listen.prefault({}),
  /** The URL of the server for clients, if it differs from its own address; without a trailing slash. */
  publicUrl: text('an address such as https://images.example.com', isWebAddress)
    .transform((value) => value.replace(/\/+$/, ''))
    .exactOptional(),
  /** Proxies whose `X-Forwarded-For` is trusted. */
  trustedProxies: networks.prefault([]),
  tls: z
    .union([choice(['self-signed', 'off']), certificateFiles], {
      error: 'expected self-signed, off, or the files as {certificate: FILE, key: FILE}',
    })
    .prefault('self-signed'),
  dataDir: path('a directory').prefault('./data'),
  storage: storage.prefault({ type: 'directory' }),
  /** The directory with the definitions of mirrors (`mirror-schema.ts`). */
  mirrorDir: path('a directory').prefault('./mirrors'),
  streams: streams.prefault({ images: { public: true } }),
  /** Milliseconds for which removed versions stay fetchable. */
  gracePeriod: duration.prefault('6h'),
  /** How blobs are removed from the store. */
  collection: z
    .strictObject({
      /** Milliseconds for which blobs of removed versions are set aside before they are deleted. */
      keepRemoved: period.prefault('1d'),
      /** The same for blobs that the catalog does not know. */
      keepUnknown: period.prefault('7d'),
      /** The percentage of unknown blobs above which a sweep stops. */
      share: integer(0, 100).prefault(10),
    })
    .prefault({}),
  /** Images that break a rule are refused, or accepted with a warning if it is set to `warn`. */
  imageRules: imageRules.prefault({}),
  limits: z
    .strictObject({
      /** Bytes of one uploaded blob. */
      uploadSize: size(1, 8192 * tebibyte - 1, 'of at least 1 byte').prefault('64GiB'),
      /** Unfinished uploads of one token or client: their number, their bytes, and milliseconds for which they are kept. */
      unfinishedUploads: integer(1, 10_000).prefault(64),
      unfinishedUploadBytes: size(1, 8192 * tebibyte - 1, 'of at least 1 byte').prefault('128GiB'),
      unfinishedUploadAge: duration.prefault('12h'),
      /** The number of entries in the audit log. */
      auditEntries: integer(1000, 100_000_000).prefault(100_000),
      /** Open connections, in total and of one address. */
      connections: integer(10, 1_000_000).prefault(10_000),
      connectionsPerAddress: integer(1, 1_000_000).prefault(2000),
      /** Active requests, in total and of one address. */
      requests: integer(10, 1_000_000).prefault(5000),
      requestsPerAddress: integer(1, 1_000_000).prefault(1500),
      /** Milliseconds after which a client that reads nothing of its response is disconnected. */
      sendTimeout: duration
        .refine((value) => value >= 1000, { error: 'expected a duration of at least 1s' })
        .prefault('2m'),
      /** Files that are examined at the same time. */
      examinations: integer(2, 1024).prefault(8),
      /** Bytes of memory for examinations; one file may use half. */
      examinationMemory: size(64 * mebibyte, tebibyte, 'of at least 64MiB').prefault('512MiB'),
      /** Milliseconds without progress after which an examination is aborted. */
      examinationTimeout: duration
        .refine((value) => value >= 1000, { error: 'expected a duration of at least 1s' })
        .prefault('1m'),
    })
    .prefault({}),
  registry: z
    .strictObject({
      /** The stream for pushed images. */
      stream: streamName.prefault('pushed'),
      /** The number of versions that each alias keeps. */
      keep: integer(1, 1_000_000).prefault(10),
      /** Bytes of pushed images: in a stream, and from one client or token. */
      streamQuota: size(1, 8192 * tebibyte - 1, 'of at least 1 byte').exactOptional(),
      entryQuota: size(1, 8192 * tebibyte - 1, 'of at least 1 byte').exactOptional(),
      /** Servers from which images may be pulled when clients copy without --mode push. */
      pullFrom: networks.prefault([]),
      /** Image servers (simplestreams) from which clients may copy; each entry covers everything below its URL. */
      mirrorFrom: leaf(
        'map',
        z.array(allowedUpstream, {
          error:
            'expected a list of image servers, such as [{url: https://images.example.com, keyring: FILE}]',
        }),
      ).prefault([]),
      /** Milliseconds between checks for newer versions of images with auto-update. */
      refreshEvery: duration
        .refine((value) => value >= 1000, { error: 'expected a duration of at least 1s' })
        .prefault('6h'),
    })
    .prefault({}),
  /** Milliseconds for which running requests may continue after SIGTERM. */
  shutdownTimeout: duration.prefault('30s'),
  log: z
    .strictObject({
      level: choice(['trace', 'debug', 'info', 'warn', 'error', 'silent']).prefault('info'),
      /** `auto`: text on a terminal, JSON otherwise. */
      format: choice(['auto', 'json', 'text']).prefault('auto'),
    })
    .prefault({}),
});

/** Keys of an S3 store. They come from the environment only, never from a file. */
export interface S3Credentials {
  accessKey: string;
  secretKey: string;
  sessionToken?: string;
}

type Settings = z.output<typeof schema>;
/** Storage in a bucket, as in the file. */
export type S3Settings = Extract<Settings['storage'], { type: 's3' }>;

/**
 * The settings of a running Headwater: sizes in bytes, durations in milliseconds, paths absolute. `credentials` throws
 * a HeadwaterError `invalid` if the environment has none.
 */
export type Config = Omit<Settings, 'storage'> & {
  storage: { type: 'directory' } | (S3Settings & { credentials: S3Credentials });
  /** A shared secret with which clients may join. It comes from the environment only. */
  joinSecret?: string;
};

/** The settings as in a file. */
export type ConfigInput = z.input<typeof schema>;

function isNetwork(value: string): boolean {
  const [address = '', prefix, ...rest] = value.split('/');
  const bits = isIP(address) === 6 ? 128 : 32;
  return (
    isIP(address) !== 0 &&
    // BlockList would ignore a zone (`fe80::1%eth0`), so that the entry would match more than was written.
    !address.includes('%') &&
    rest.length === 0 &&
    (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits))
  );
}
