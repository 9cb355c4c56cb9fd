import * as z from 'zod';
import {
  boolean,
  choice,
  duration,
  integer,
  isHost,
  isWebAddress,
  leaf,
  networks,
  path,
  period,
  siteName,
  size,
  streamName,
  text,
} from './fields.ts';
import { limits } from './limits-schema.ts';
import { lxc, registry } from './registry-schema.ts';
import { signing } from './signing.ts';
import { type S3Credentials, type S3Settings, storage } from './storage-schema.ts';

// The settings of Headwater. config/headwater.yaml documents each of them and must agree with the schemas
// (test/config/documented.test.ts).

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
  /** Where blobs are stored. */
  storage: storage.prefault({ type: 'directory' }),
  /** The directory with the definitions of mirrors (`mirror-schema.ts`). */
  mirrorDir: path('a directory').prefault('./mirrors'),
  /** The directory with the definitions of the sites that bundles are written for (`bundles/site-schema.ts`). */
  bundleDir: path('a directory').prefault('./bundles'),
  streams: streams.prefault({ images: { public: true } }),
  /** The OpenPGP key that signs the documents. */
  signing: signing.prefault({}),
  /** The name of this site in the bundles that it writes; the name of the machine when left out. */
  site: siteName.exactOptional(),
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
  /** How stored blobs are read again. */
  scrub: z
    .strictObject({
      /** Milliseconds between the beginnings of two scrubs; 0 for none. */
      every: period.prefault('30d'),
      /** Bytes a second; 0 for no limit. */
      rate: size(0, Number.MAX_SAFE_INTEGER, 'of bytes a second, or 0 for no limit').prefault('20MiB'),
    })
    .prefault({}),
  /** Images that break a rule are refused, or accepted with a warning if it is set to `warn`. */
  imageRules: imageRules.prefault({}),
  limits: limits.prefault({}),
  registry: registry.prefault({}),
  /** The OCI registry under `/v2`. */
  oci: z
    .strictObject({
      enabled: boolean.prefault(true),
      /** The streams whose roots get a gzip form, which is a layer, if they have another format. */
      compress: leaf(
        'map',
        z.array(streamName, { error: 'expected a list of streams, such as [images]' }),
      ).prefault([]),
    })
    .prefault({}),
  lxc: lxc.prefault({}),
  /** What systemd downloads (`systemd-pull`, `systemd-sysupdate`), beyond `SHA256SUMS`. */
  systemd: z.strictObject({ enabled: boolean.prefault(true) }).prefault({}),
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

type Settings = z.output<typeof schema>;

/**
 * The settings of a running Headwater: sizes in bytes, durations in milliseconds, paths absolute. `credentials` throws
 * a HeadwaterError `invalid` if the environment has none.
 */
export type Config = Omit<Settings, 'storage' | 'signing'> & {
  /** `passphrase` throws a HeadwaterError `invalid` if its credential cannot be read. */
  signing: Settings['signing'] & { passphrase: string | undefined };
  storage: { type: 'directory' } | (S3Settings & { credentials: S3Credentials });
  /** A shared secret with which clients may join. It comes from the environment only. */
  joinSecret?: string;
};

/** The settings as in a file. */
export type ConfigInput = z.input<typeof schema>;
