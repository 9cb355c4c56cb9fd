import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { HeadwaterError } from '../errors.ts';
import { describeIssue, invalid, type Layer } from './issues.ts';
import { environmentLayer, fileLayer, flagLayer } from './layers.ts';
import { type Config, type ConfigInput, schema } from './schema.ts';
import { settings as allSettings } from './settings.ts';
import { readPassphrase } from './signing.ts';
import type { S3Credentials, S3Settings } from './storage-schema.ts';
import { lay } from './tree.ts';

/** The sources of settings: overrides (flags), the environment, the file, and the defaults, in order of precedence. */
export interface ConfigSources {
  /** A YAML file; relative paths in it are relative to its own directory. */
  file?: string;
  /** Settings from flags, with the types that they have in the file. */
  overrides?: Overrides;
  /** `process.env`, or `{}` to ignore the environment. */
  env: NodeJS.ProcessEnv;
}

/** Any part of the settings. */
export type Overrides = Partial<{
  [Key in keyof ConfigInput]: NonNullable<ConfigInput[Key]> extends Record<string, unknown>
    ? Partial<ConfigInput[Key]>
    : ConfigInput[Key];
}>;

/** The default configuration file, if one exists. */
export function findConfigFile(): string | undefined {
  return ['headwater.yaml', '/etc/headwater/headwater.yaml'].find((file) => existsSync(file));
}

/**
 * Reads and checks the configuration. Paths in the result are absolute, sizes in bytes, durations in milliseconds.
 * @throws HeadwaterError `invalid`, with a line for every error: its origin, the key, the expected value
 */
export function loadConfig(sources: ConfigSources): Config {
  const layers: Layer[] = [];
  if (sources.overrides !== undefined) layers.push(flagLayer(sources.overrides));
  layers.push(environmentLayer(sources.env));
  if (sources.file !== undefined) layers.push(fileLayer(sources.file));

  const merged = layers.reduceRight<unknown>((lower, layer) => lay(layer.values, lower), {});
  const result = schema.safeParse(merged, { jitless: true });
  const keys = allSettings.map(({ key }) => key);
  const problems = layers.flatMap((layer) => layer.problems);
  for (const issue of result.error?.issues ?? [])
    problems.push(...describeIssue(issue, { merged, layers, keys }));
  if (!result.success || problems.length > 0) throw invalid(problems);
  const { storage, signing, ...settings } = result.data;
  return {
    ...settings,
    dataDir: resolve(settings.dataDir),
    mirrorDir: resolve(settings.mirrorDir),
    bundleDir: resolve(settings.bundleDir),
    storage: storage.type === 's3' ? withCredentials(storage, sources.env) : storage,
    signing: withPassphrase(signing, sources.env),
    ...joinSecret(sources.env),
  };
}

/** Credentials are read when they are used, because commands that use only the catalog do not need them. */
function withCredentials(
  storage: S3Settings,
  environment: NodeJS.ProcessEnv,
): S3Settings & { credentials: S3Credentials } {
  return {
    ...storage,
    get credentials() {
      return readCredentials(environment);
    },
  };
}

/** The passphrase is read when something is signed: the other commands do not need it. */
function withPassphrase<Settings extends object>(
  settings: Settings,
  environment: NodeJS.ProcessEnv,
): Settings & { passphrase: string | undefined } {
  return {
    ...settings,
    get passphrase() {
      return readPassphrase(environment);
    },
  };
}

/** The shared secret of clients, which must be too long to guess. */
function joinSecret({ HEADWATER_JOIN_SECRET: secret }: NodeJS.ProcessEnv): { joinSecret?: string } {
  if (secret === undefined || secret === '') return {};
  if (secret.length >= 16) return { joinSecret: secret };
  throw new HeadwaterError('invalid', 'HEADWATER_JOIN_SECRET: expected 16 characters or more');
}

function readCredentials(environment: NodeJS.ProcessEnv): S3Credentials {
  const { HEADWATER_S3_ACCESS_KEY, HEADWATER_S3_SECRET_KEY } = environment;
  if (HEADWATER_S3_ACCESS_KEY && HEADWATER_S3_SECRET_KEY) {
    return { accessKey: HEADWATER_S3_ACCESS_KEY, secretKey: HEADWATER_S3_SECRET_KEY };
  }
  if (HEADWATER_S3_ACCESS_KEY || HEADWATER_S3_SECRET_KEY) {
    throw new HeadwaterError(
      'invalid',
      'HEADWATER_S3_ACCESS_KEY and HEADWATER_S3_SECRET_KEY: only one of the two is set; set both',
    );
  }
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = environment;
  if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) {
    throw new HeadwaterError(
      'invalid',
      'storage.type is s3, but the keys are missing: set HEADWATER_S3_ACCESS_KEY and HEADWATER_S3_SECRET_KEY in the environment',
    );
  }
  return {
    accessKey: AWS_ACCESS_KEY_ID,
    secretKey: AWS_SECRET_ACCESS_KEY,
    ...(AWS_SESSION_TOKEN ? { sessionToken: AWS_SESSION_TOKEN } : {}),
  };
}
