import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAssignments } from '../../src/config/layers.ts';
import { loadConfig, type Overrides } from '../../src/config/load.ts';
import { HeadwaterError } from '../../src/errors.ts';

let directory: string;
let file: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'headwater-config-'));
  file = join(directory, 'headwater.yaml');
});
afterAll(() => rmSync(directory, { recursive: true }));

function load(yaml: string, env: NodeJS.ProcessEnv = {}, overrides: Overrides = {}) {
  writeFileSync(file, yaml);
  return loadConfig({ file, env, overrides });
}

/** The lines of the error that loading ends with. */
function mistakes(yaml: string, env: NodeJS.ProcessEnv = {}): string[] {
  try {
    load(yaml, env);
  } catch (error) {
    expect(error).toBeInstanceOf(HeadwaterError);
    expect((error as HeadwaterError).kind).toBe('invalid');
    const [first = '', ...rest] = (error as HeadwaterError).message.split('\n');
    return (rest.length === 0 ? [first] : rest).map((line) => line.trim().replace(`${directory}/`, ''));
  }
  throw new Error('the configuration was accepted');
}

const s3 = {
  HEADWATER_STORAGE_TYPE: 's3',
  HEADWATER_STORAGE_ENDPOINT: 'http://[::1]:7480',
  HEADWATER_STORAGE_BUCKET: '123',
};
const keys = { HEADWATER_S3_ACCESS_KEY: 'access', HEADWATER_S3_SECRET_KEY: 'secret' };

describe('values', () => {
  test('there are defaults for everything', () => {
    expect(loadConfig({ env: {} })).toEqual({
      listen: { address: '::', port: 8443 },
      trustedProxies: [],
      tls: 'self-signed',
      dataDir: resolve('data'),
      mirrorDir: resolve('mirrors'),
      bundleDir: resolve('bundles'),
      storage: { type: 'directory' },
      streams: { images: { public: true } },
      signing: { optional: false, overlap: 90 * 86_400_000, passphrase: undefined },
      gracePeriod: 6 * 3_600_000,
      imageRules: {},
      limits: {
        uploadSize: 64 * 2 ** 30,
        unfinishedUploads: 64,
        unfinishedUploadBytes: 128 * 2 ** 30,
        unfinishedUploadAge: 12 * 3_600_000,
        auditEntries: 100_000,
        connections: 10_000,
        connectionsPerAddress: 2000,
        requests: 5000,
        requestsPerAddress: 1500,
        sendTimeout: 120_000,
        examinations: 8,
        examinationMemory: 512 * 2 ** 20,
        examinationTimeout: 60_000,
      },
      collection: { keepRemoved: 86_400_000, keepUnknown: 7 * 86_400_000, share: 10 },
      registry: { stream: 'pushed', keep: 10, pullFrom: [], mirrorFrom: [], refreshEvery: 21_600_000 },
      scrub: { every: 30 * 24 * 3_600_000, rate: 20 * 1024 * 1024 },
      lxc: { enabled: true, compress: [] },
      systemd: { enabled: true },
      oci: { enabled: true, compress: [] },
      shutdownTimeout: 30_000,
      log: { level: 'info', format: 'auto' },
    });
  });

  test('an empty file and empty entries are the defaults', () => {
    const defaults = loadConfig({ env: {} });
    expect(load('')).toEqual(defaults);
    expect(load('# nothing\n')).toEqual(defaults);
    expect(load('listen:\nstorage:\nlog:\n  level:\n')).toEqual(defaults);
  });

  test('image servers to copy from have files beside the configuration, and addresses without a slash', () => {
    const { registry } = load(
      'registry: {mirrorFrom: [{url: https://a.example/x/, keyring: a.gpg, ca: /b.crt}]}',
    );
    const keyring = join(directory, 'a.gpg');
    expect(registry.mirrorFrom).toEqual([{ url: 'https://a.example/x', keyring, ca: '/b.crt' }]);
    const env = { HEADWATER_REGISTRY_MIRROR_FROM: '[{url: https://a.example, unsigned: true}]' };
    expect(load('', env).registry.mirrorFrom).toEqual([{ url: 'https://a.example', unsigned: true }]);
  });

  test('the shared secret comes from the environment and must be long', () => {
    expect(load('', { HEADWATER_JOIN_SECRET: 'long enough for all' }).joinSecret).toBe('long enough for all');
    expect(load('', { HEADWATER_JOIN_SECRET: '' }).joinSecret).toBeUndefined();
    expect(() => load('', { HEADWATER_JOIN_SECRET: 'short' })).toThrow('HEADWATER_JOIN_SECRET');
    expect(() => load('joinSecret: long enough for all')).toThrow('joinSecret');
  });

  test('an empty variable counts as unset', () => {
    expect(load('listen: {port: 1}', { HEADWATER_LISTEN_PORT: '' }).listen.port).toBe(1);
  });

  test('text from the environment is converted to the type of the setting', () => {
    const config = load('', {
      ...s3,
      ...keys,
      HEADWATER_STORAGE_PATH_STYLE: 'false',
      HEADWATER_STORAGE_PARALLEL: '2',
    });
    expect(config.storage).toEqual({
      type: 's3',
      endpoint: 'http://[::1]:7480',
      bucket: '123',
      pathStyle: false,
      redirect: false,
      partSize: 8 * 2 ** 20,
      parallel: 2,
      createBucket: false,
      credentials: { accessKey: 'access', secretKey: 'secret' },
    });
    expect(load('', { HEADWATER_STREAMS: '{internal: {public: false}}' }).streams).toEqual({
      internal: { public: false },
    });
  });

  test('another kind of storage or certificate in a higher layer replaces the lower one', () => {
    const file = 'storage: {type: s3, endpoint: http://a, bucket: abc}\ntls: {certificate: c, key: k}';
    expect(load(file, { HEADWATER_STORAGE_TYPE: 'directory' }).storage).toEqual({ type: 'directory' });
    expect(load(file, { HEADWATER_TLS: 'off', HEADWATER_STORAGE_TYPE: 'directory' }).tls).toBe('off');
    const tls = { HEADWATER_TLS_CERTIFICATE: '/c', HEADWATER_TLS_KEY: '/k' };
    expect(load('tls: off', tls).tls).toEqual({ certificate: '/c', key: '/k' });
  });

  test('relative paths: of the file to its directory, all others to the current one', () => {
    const yaml = 'dataDir: d\ntls: {certificate: tls/c, key: /k}';
    expect(load(yaml).dataDir).toBe(join(directory, 'd'));
    expect(load(yaml).tls).toEqual({ certificate: join(directory, 'tls/c'), key: '/k' });
    expect(load(yaml, { HEADWATER_DATA_DIR: 'e' }).dataDir).toBe(resolve('e'));
    expect(load(yaml, {}, { dataDir: 'f' }).dataDir).toBe(resolve('f'));
  });

  test('a trailing slash of publicUrl is removed', () => {
    expect(load('publicUrl: https://example.com/images/').publicUrl).toBe('https://example.com/images');
  });
});

describe('keys of the store', () => {
  test('come from the environment, HEADWATER_ before AWS_', () => {
    const aws = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_SESSION_TOKEN: 'c' };
    const credentials = (env: NodeJS.ProcessEnv) => {
      const { storage } = load('', { ...s3, ...env });
      return storage.type === 's3' ? storage.credentials : undefined;
    };
    expect(credentials({ ...aws, ...keys })).toEqual({ accessKey: 'access', secretKey: 'secret' });
    expect(credentials(aws)).toEqual({ accessKey: 'a', secretKey: 'b', sessionToken: 'c' });
    expect(() => credentials({})).toThrow('HEADWATER_S3_ACCESS_KEY');
    expect(() => credentials({ ...aws, HEADWATER_S3_ACCESS_KEY: 'x' })).toThrow('only one of the two');
  });

  test('are required only when they are used', () => {
    expect(load('', s3).storage.type).toBe('s3');
  });
});

describe('mistakes', () => {
  test('all are listed at once, each with its origin, its key and the expected value', () => {
    const yaml = [
      'listen:',
      '  prot: 1',
      '  port: abc',
      'tls: {certificate: x}',
      'streams:',
      '  A b: {public: true}',
      '  ok: {}',
      'gracePeriod: 6',
      'limits: {uploadSize: lots}',
      'log: {level: loud}',
    ].join('\n');
    expect(mistakes(yaml, { HEADWATER_LISTEN_ADDRESS: 'no host', HEADWATER_NONSENSE: '1' }).sort()).toEqual([
      'HEADWATER_LISTEN_ADDRESS: listen.address: expected an IP address or a host name, such as :: or 192.0.2.1, but it is "no host"',
      'HEADWATER_NONSENSE: unknown setting; config/headwater.yaml lists all settings',
      'headwater.yaml:10: log.level: expected one of trace, debug, info, warn, error, silent, but it is "loud"',
      'headwater.yaml:2: listen.prot: unknown setting; did you mean listen.port?',
      'headwater.yaml:3: listen.port: expected a whole number from 0 to 65535, but it is "abc"',
      "headwater.yaml:4: tls.key: expected the path of a PEM file with the certificate's private key, but it is missing",
      'headwater.yaml:6: streams.A b: expected the name of a stream: lower-case letters, digits and . _ + ~ -',
      'headwater.yaml:7: streams.ok.public: expected true or false, but it is missing',
      'headwater.yaml:8: gracePeriod: expected a duration with its unit, such as 30s, 6h or 1d12h, but it is 6',
      'headwater.yaml:9: limits.uploadSize: expected a size of at least 1 byte, such as 16MiB, but it is "lots"',
    ]);
  });

  test.each([
    ['listen: {port: 65536}', 'listen.port: expected a whole number'],
    ['listen: {port: 8443.5}', 'listen.port: expected a whole number'],
    ['listen: 8443', 'listen'],
    ['tls: maybe', 'tls: expected self-signed, off, or the files'],
    ['tls: {certificate: "", key: k}', 'tls.certificate: expected the path'],
    ['dataDir: ""', 'dataDir: expected the path of a directory'],
    ['dataDir: 7', 'dataDir: expected the path of a directory'],
    ['storage: {type: tape}', 'storage.type: expected directory or s3, but it is "tape"'],
    ['storage: {type: s3, endpoint: s3.example.com, bucket: abc}', 'storage.endpoint: expected the address'],
    ['storage: {type: s3, endpoint: https://a/path, bucket: abc}', 'storage.endpoint: expected the address'],
    [
      'storage: {type: s3, endpoint: https://a, bucket: a/b}',
      'storage.bucket: expected the name of a bucket',
    ],
    ['storage: {type: s3, endpoint: https://a, bucket: abc, prefix: /x}', 'storage.prefix: expected'],
    [
      'storage: {type: s3, endpoint: https://a, bucket: abc, partSize: 4MiB}',
      'storage.partSize: expected a size from 5MiB',
    ],
    [
      'storage: {type: s3, endpoint: https://a, bucket: abc, accessKey: x}',
      'storage.accessKey: unknown setting',
    ],
    ['storage: {type: directory, bucket: abc}', 'storage.bucket: unknown setting'],
    ['publicUrl: images.example.com', 'publicUrl: expected an address'],
    ['publicUrl: https://me:secret@example.com', 'publicUrl: expected an address'],
    ['trustedProxies: 10.0.0.1', 'trustedProxies: expected a list of addresses and networks'],
    ['trustedProxies: [10.0.0.1, proxy.example]', 'trustedProxies.1: expected an address or a network'],
    ['trustedProxies: [10.0.0.0/33]', 'trustedProxies.0: expected an address or a network'],
    ['trustedProxies: ["2001:db8::/129"]', 'trustedProxies.0: expected an address or a network'],
    ['trustedProxies: [10.0.0.0/]', 'trustedProxies.0: expected an address or a network'],
    ['trustedProxies: ["fe80::1%eth0"]', 'trustedProxies.0: expected an address or a network'],
    ['streams: {index: {public: true}}', 'streams.index: expected the name of a stream'],
    ['streams: {images: true}', 'streams.images: expected {public: true} or {public: false}, but it is true'],
    ['gracePeriod: 25d', 'gracePeriod: expected a duration'],
    [
      'registry: {mirrorFrom: [{url: https://a.example}]}',
      'registry.mirrorFrom.0.keyring: expected a file of OpenPGP public keys, or "unsigned: true"',
    ],
    [
      'registry: {mirrorFrom: [{url: https://a.example, keyring: k, unsigned: true}]}',
      'registry.mirrorFrom.0.unsigned: expected only one of keyring and unsigned',
    ],
    ['registry: {mirrorFrom: [https://a.example]}', 'registry.mirrorFrom.0: expected {url: ADDRESS'],
    [
      'registry: {mirrorFrom: [{url: a.example, unsigned: true}]}',
      'registry.mirrorFrom.0.url: expected an address',
    ],
    ['registry: {refreshEvery: 10ms}', 'registry.refreshEvery: expected a duration of at least 1s'],
    ['__proto__: {a: 1}', '__proto__: unknown setting'],
  ])('%s', (yaml, message) => {
    const found = mistakes(yaml);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`headwater.yaml:1: ${message}`);
  });

  test('two variables that contradict each other', () => {
    const found = mistakes('', { HEADWATER_TLS: 'off', HEADWATER_TLS_KEY: 'k' });
    expect(found).toContain('HEADWATER_TLS and HEADWATER_TLS_KEY: they exclude each other; set one');
  });

  test('variables that Kubernetes sets for a service named headwater are ignored', () => {
    const service = {
      HEADWATER_SERVICE_HOST: '10.0.0.1',
      HEADWATER_SERVICE_PORT_HTTPS: '8443',
      HEADWATER_PORT: 'tcp://10.0.0.1:8443',
      HEADWATER_PORT_8443_TCP_ADDR: '10.0.0.1',
    };
    expect(load('', service).listen.port).toBe(8443);
    expect(mistakes('', { HEADWATER_PORT: '9443' })[0]).toContain('HEADWATER_PORT: unknown setting');
  });

  test('a file without valid YAML or settings is named with its line', () => {
    expect(mistakes('a: 1\nb: [')[0]).toMatch(/^headwater\.yaml:2: /);
    expect(mistakes('log: {}\nlog: {}')[0]).toMatch(/^headwater\.yaml:2: .*unique/);
    expect(mistakes('- listen')[0]).toContain('headwater.yaml: expected settings as "key: value" lines');
    const ten = (name: string) => Array(10).fill(name).join(', ');
    const bomb = [`a: &a [${ten('x')}]`, `b: &b [${ten('*a')}]`, `c: &c [${ten('*b')}]`, `d: [${ten('*c')}]`];
    expect(mistakes(bomb.join('\n'))[0]).toContain('headwater.yaml: Excessive alias count');
    const ring = 'the alias *a contains itself';
    expect(mistakes('foo: &a [*a]')).toEqual([`headwater.yaml: ${ring}`]);
    expect(mistakes('&a\nlisten: *a')).toEqual([`headwater.yaml: ${ring}`]);
    expect(mistakes(`a: ${'['.repeat(20_000)}`)).toEqual([
      'headwater.yaml: is nested more than 100 levels deep',
    ]);
  });

  test('a missing file', () => {
    const missing = join(directory, 'missing.yaml');
    expect(() => loadConfig({ file: missing, env: {} })).toThrow(`${missing}: no such file`);
  });

  test('an error about a flag names it as written', () => {
    const overrides = parseAssignments(['listen.port=x', 'no.such=1']) as Overrides;
    expect(() => loadConfig({ overrides, env: {} })).toThrow(
      /--set listen\.port: expected.*\n.*--set no: unknown setting/,
    );
    expect(() => parseAssignments(['listen.port'])).toThrow('expected KEY=VALUE');
  });
});
