import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';
import { settings } from '../../src/config/settings.ts';

const path = 'config/headwater.yaml';
const text = readFileSync(path, 'utf8');

/** The file with everything in it that is commented out as a setting, not as a sentence. */
function withExamples(): string[] {
  return text.split('\n').map((line) => line.replace(/^# ((?: {2})*(?:# )?[A-Za-z]+:(?: .*)?)$/, '$1'));
}

/** The keys of the file, commented out or not, with the comment that stands right above each. */
function documented(): Map<string, string> {
  const keys = new Map<string, string>();
  const above: string[] = [];
  let group: string[] = [];
  for (const line of withExamples()) {
    const comment = /^\s*# ?(.*)$/.exec(line);
    const [, indent = '', key] = /^( *)([A-Za-z]+):/.exec(line) ?? [];
    if (comment) above.push(comment[1] ?? '');
    else if (key === undefined) above.length = 0;
    else {
      group = [...group.slice(0, indent.length / 2), key];
      if (!keys.get(group.join('.'))) keys.set(group.join('.'), above.join(' ').trim());
      above.length = 0;
    }
  }
  return keys;
}

describe('config/headwater.yaml', () => {
  test('is the defaults', () => {
    const defaults = loadConfig({ env: {} });
    expect(loadConfig({ file: path, env: {} })).toEqual({
      ...defaults,
      dataDir: resolve('config/data'),
      mirrorDir: resolve('config/mirrors'),
      bundleDir: resolve('config/bundles'),
    });
  });

  test('documents every setting', () => {
    const keys = documented();
    for (const { key } of settings) expect([...keys.keys()], key).toContain(key);
  });

  test('documents no unknown setting', () => {
    const known = new Set(
      settings.flatMap(({ path: names }) => names.map((_, index) => names.slice(0, index + 1).join('.'))),
    );
    const others = [...documented().keys()].filter((key) => !known.has(key) && !key.startsWith('streams.'));
    expect(others).toEqual([]);
  });

  test('the commented-out examples are valid', () => {
    const lines = withExamples();
    const from = lines.lastIndexOf('storage:');
    const to = lines.indexOf('streams:');
    const { storage } = parse(lines.slice(from, to).join('\n')) as { storage: object };
    const config = loadConfig({
      overrides: { storage: storage as never },
      env: { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' },
    });
    expect(config.storage).toMatchObject({
      type: 's3',
      region: 'eu-central-1',
      prefix: 'headwater/',
      parallel: 3,
    });
  });
});

test('config/production.yaml is valid', () => {
  const config = loadConfig({ file: 'config/production.yaml', env: {} });
  expect(config.storage.type).toBe('s3');
  expect(config.streams['internal']).toEqual({ public: false });
});
