import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { effectiveSettings, effectiveYaml } from '../../src/config/effective.ts';
import { parseAssignments } from '../../src/config/layers.ts';
import { loadConfig, type Overrides } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';
import { findSetting, settings } from '../../src/config/settings.ts';
import { get } from '../../src/config/tree.ts';

const directory = mkdtempSync(join(tmpdir(), 'headwater-layers-'));
const file = join(directory, 'headwater.yaml');
afterAll(() => rmSync(directory, { recursive: true }));

const word = fc.stringMatching(/^[a-z][a-z0-9]{2,20}$/);

/** Texts that some settings may have. What a setting becomes is its own matter: `loadConfig` is asked for it. */
const texts: Record<string, fc.Arbitrary<string>> = {
  'listen.address': word,
  'listen.port': fc.nat(65_535).map(String),
  site: word,
  publicUrl: word.map((host) => `https://${host}.example`),
  dataDir: word.map((name) => `/${name}`),
  tls: fc.constantFrom('off', 'self-signed'),
  gracePeriod: fc.nat(1000).map((hours) => `${hours % 500}h`),
  shutdownTimeout: fc.nat(1000).map((seconds) => `${seconds}s`),
  'limits.uploadSize': fc.integer({ min: 1, max: 1000 }).map((size) => `${size}MiB`),
  'log.level': fc.constantFrom('debug', 'info', 'warn', 'silent'),
  'log.format': fc.constantFrom('auto', 'json', 'text'),
};

/** What one place says: some settings, by key. */
const layer = fc.record(texts, { requiredKeys: [] }) as fc.Arbitrary<Record<string, string>>;

function writeFile(settings: Record<string, string>): void {
  const nested = parseAssignments(Object.entries(settings).map(([key, value]) => `${key}=${value}`));
  writeFileSync(file, stringify(nested));
}

function asEnvironment(settings: Record<string, string>): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [findSetting(key)?.variable ?? `unknown ${key}`, value]),
  );
}

function asFlags(settings: Record<string, string>): Overrides {
  return parseAssignments(Object.entries(settings).map(([key, value]) => `${key}=${value}`)) as Overrides;
}

/** The configuration without what only some machines have. */
function loaded(sources: Parameters<typeof loadConfig>[0]): Config {
  return loadConfig(sources);
}

test('flags override the environment, then the file, then the defaults', () => {
  fc.assert(
    fc.property(layer, layer, layer, (inFile, inEnvironment, inFlags) => {
      writeFile(inFile);
      const all = loaded({ file, env: asEnvironment(inEnvironment), overrides: asFlags(inFlags) });
      const winners = { ...inFile, ...inEnvironment, ...inFlags };
      expect(all).toEqual(loaded({ env: {}, overrides: asFlags(winners) }));
    }),
  );
});

test('a setting means the same in every source', () => {
  fc.assert(
    fc.property(layer, (settings) => {
      writeFile(settings);
      const fromFile = loaded({ file, env: {} });
      expect(loaded({ env: asEnvironment(settings) })).toEqual(fromFile);
      expect(loaded({ env: {}, overrides: asFlags(settings) })).toEqual(fromFile);
    }),
  );
});

test('the output of "config check" is an equivalent file', () => {
  fc.assert(
    fc.property(layer, (settings) => {
      const config = loaded({ env: {}, overrides: asFlags(settings) });
      writeFileSync(file, effectiveYaml(config));
      expect(loaded({ file, env: {} })).toEqual(config);
    }),
  );
});

test('"config check" prints every setting', () => {
  const config = loaded({
    env: {},
    overrides: {
      site: 'hq',
      publicUrl: 'https://images.example.com',
      trustedProxies: ['127.0.0.1', '10.0.0.0/8'],
      limits: { auditEntries: 5000 },
      registry: {
        keep: 3,
        streamQuota: '1GiB',
        entryQuota: '10MiB',
        pullFrom: ['10.0.0.0/8'],
        mirrorFrom: [
          { url: 'https://a.example', keyring: '/keys.gpg', ca: '/ca.crt' },
          { url: 'https://b.example', unsigned: true },
        ],
        refreshEvery: '90m',
      },
    },
  });
  const printed = effectiveSettings(config);
  const exclusive = /^(tls|storage|signing)\./;
  for (const { path } of settings.filter(({ key }) => !exclusive.test(key))) {
    expect(get(printed, path), path.join('.')).toBeDefined();
  }
  writeFileSync(file, effectiveYaml(config));
  expect(loaded({ file, env: {} })).toEqual(config);
});

test.each([{ key: '/keys/signing.key' }, { command: ['sign', '{mode}'], publicKey: '/keys/signing.gpg' }])(
  '"config check" prints what signs: %j',
  (signing) => {
    const config = loaded({ env: {}, overrides: { signing: { ...signing, overlap: '30d' } } });
    expect(effectiveSettings(config).signing).toEqual({ ...signing, optional: false, overlap: '30d' });
    writeFileSync(file, effectiveYaml(config));
    expect(loaded({ file, env: {} })).toEqual(config);
  },
);

test('the keys of the store are not printed', () => {
  const env = {
    HEADWATER_STORAGE_TYPE: 's3',
    HEADWATER_STORAGE_ENDPOINT: 'https://s3.example.com',
    HEADWATER_STORAGE_BUCKET: 'images',
    HEADWATER_S3_ACCESS_KEY: 'secret-access',
    HEADWATER_S3_SECRET_KEY: 'secret-secret',
  };
  const config = loaded({ env });
  expect(JSON.stringify(effectiveSettings(config))).not.toContain('secret-');
  writeFileSync(file, effectiveYaml(config));
  const { HEADWATER_S3_ACCESS_KEY, HEADWATER_S3_SECRET_KEY } = env;
  expect(loaded({ file, env: { HEADWATER_S3_ACCESS_KEY, HEADWATER_S3_SECRET_KEY } })).toEqual(config);
});

const groups = ['', 'listen', 'storage', 'limits', 'log', 'tls'];
const known =
  /^(address|port|type|uploadSize|level|format|certificate|key|listen|publicUrl|tls|dataDir|storage|streams|gracePeriod|limits|shutdownTimeout|log)$/;

test('an unknown key is refused by its path, at every level', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...groups),
      fc.oneof(
        fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme-ascii' }),
        fc.constantFrom('__proto__', 'constructor', 'toString', 'Port', 'hasOwnProperty'),
      ),
      (group, key) => {
        fc.pre(!known.test(key));
        const valid: Record<string, unknown> = {
          storage: { type: 'directory' },
          tls: { certificate: 'c', key: 'k' },
        };
        const inner = Object.defineProperty({ ...(valid[group] as object) }, key, {
          value: 1,
          enumerable: true,
        });
        writeFileSync(file, stringify(group === '' ? inner : { [group]: inner }));
        expect(() => loaded({ file, env: {} })).toThrow(
          `${group === '' ? '' : `${group}.`}${key}: unknown setting`,
        );
      },
    ),
  );
});

test('an unknown variable is refused by its name', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Z][A-Z_]{0,15}$/), (name) => {
      const variable = `HEADWATER_${name}_X`;
      expect(() => loaded({ env: { [variable]: '1' } })).toThrow(`${variable}: unknown setting`);
    }),
  );
});
