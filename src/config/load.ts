import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { z } from 'zod';
import { HeadwaterError } from '../errors.ts';
import { environmentLayer, fileLayer, flagLayer, invalid, type Layer } from './layers.ts';
import { type Config, type ConfigInput, type S3Credentials, type S3Settings, schema } from './schema.ts';
import { get, isTree, lay, type Tree } from './tree.ts';

/** Where settings come from: overrides (flags) win over the environment, that over the file, that over defaults. */
export interface ConfigSources {
  /** A YAML file; relative paths in it are relative to its own directory. */
  file?: string;
  /** Settings given as flags; nothing in them is remembered as text, so types are those of the file. */
  overrides?: Overrides;
  /** `process.env`, or `{}` where the environment shall not count. */
  env: NodeJS.ProcessEnv;
}

/** Any part of the settings. */
export type Overrides = Partial<{
  [Key in keyof ConfigInput]: NonNullable<ConfigInput[Key]> extends Record<string, unknown>
    ? Partial<ConfigInput[Key]>
    : ConfigInput[Key];
}>;

/** The configuration file that is used when none is named, if there is one. */
export function findConfigFile(): string | undefined {
  return ['headwater.yaml', '/etc/headwater/headwater.yaml'].find((file) => existsSync(file));
}

/**
 * Reads and checks the configuration. Paths in the result are absolute, sizes are bytes, durations milliseconds.
 * @throws HeadwaterError `invalid`, with a line for every mistake: where it is, the key, what was expected
 */
export function loadConfig(sources: ConfigSources): Config {
  const layers: Layer[] = [];
  if (sources.overrides !== undefined) layers.push(flagLayer(sources.overrides as Tree));
  layers.push(environmentLayer(sources.env));
  if (sources.file !== undefined) layers.push(fileLayer(sources.file));

  const merged = layers.reduceRight<unknown>((lower, layer) => lay(layer.values, lower), {});
  const result = schema.safeParse(merged);
  const problems = layers.flatMap((layer) => layer.problems);
  for (const issue of result.error?.issues ?? []) problems.push(...describe(issue, [], { merged, layers }));
  if (!result.success || problems.length > 0) throw invalid(problems);
  const { storage, ...settings } = result.data;
  return {
    ...settings,
    dataDir: resolve(settings.dataDir),
    storage: storage.type === 's3' ? withCredentials(storage, sources.env) : storage,
    ...joinSecret(sources.env),
  };
}

/** The keys are looked up when they are used, because a command that needs the catalog only can do without. */
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

/** The secret that clients may join with: long enough that nobody guesses it. */
function joinSecret({ HEADWATER_JOIN_SECRET: secret }: NodeJS.ProcessEnv): { joinSecret?: string } {
  if (secret === undefined || secret === '') return {};
  if (secret.length >= 16) return { joinSecret: secret };
  throw new HeadwaterError('invalid', 'HEADWATER_JOIN_SECRET: expected 16 characters or more');
}

interface Read {
  merged: unknown;
  /** The uppermost first. */
  layers: Layer[];
}

/** One line for each thing that is wrong. */
function describe(issue: z.core.$ZodIssue, parents: PropertyKey[], read: Read): string[] {
  const path = [...parents, ...issue.path];
  const value = get(read.merged, path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${place([...path, key], read.layers)}: there is no such setting`);
  }
  if (issue.code === 'invalid_key') {
    return issue.issues.map(({ message }) => `${place(path, read.layers)}: ${message}`);
  }
  // Of the ways to write `tls`, the one that was tried is the one with the same shape.
  const nested = issue.code === 'invalid_union' && isTree(value) ? issue.errors.at(-1) : undefined;
  if (nested !== undefined && nested.length > 0) {
    return nested.flatMap((inner) => describe(inner, path, read));
  }
  const found = value === undefined ? 'it is missing' : `it is ${JSON.stringify(value)}`;
  return [`${place(path, read.layers)}: ${issue.message}, but ${found}`];
}

/** Where a value comes from and its key: `headwater.yaml:3: listen.port`. */
function place(path: PropertyKey[], layers: Layer[]): string {
  const parent = path.slice(0, -1);
  const layer =
    layers.find(({ values }) => get(values, path) !== undefined) ??
    layers.find(({ values }) => parent.length > 0 && get(values, parent) !== undefined);
  const key = path.join('.');
  const origin = layer?.origin(path);
  return origin === undefined || origin.endsWith(` ${key}`) ? (origin ?? key) : `${origin}: ${key}`;
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
      'storage.type is s3, but its keys are missing: set HEADWATER_S3_ACCESS_KEY and HEADWATER_S3_SECRET_KEY in the environment',
    );
  }
  return {
    accessKey: AWS_ACCESS_KEY_ID,
    secretKey: AWS_SECRET_ACCESS_KEY,
    ...(AWS_SESSION_TOKEN ? { sessionToken: AWS_SESSION_TOKEN } : {}),
  };
}
