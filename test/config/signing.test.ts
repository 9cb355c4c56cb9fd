import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { signingSettings } from '../../src/config/signing.ts';
import { scratchDirectory } from '../support/catalog.ts';

const load = (signing: object, env: NodeJS.ProcessEnv = {}) => loadConfig({ env, overrides: { signing } });

describe('the passphrase of the signing key', () => {
  test('comes from the credential of systemd, otherwise from the environment', async () => {
    const directory = await scratchDirectory();
    const variable = { HEADWATER_SIGNING_PASSPHRASE: 'from the environment' };
    expect(load({}, variable).signing.passphrase).toBe('from the environment');
    const env = { ...variable, CREDENTIALS_DIRECTORY: directory };
    expect(load({}, env).signing.passphrase).toBe('from the environment');
    await writeFile(join(directory, 'signing-passphrase'), 'from systemd\n');
    expect(load({}, env).signing.passphrase).toBe('from systemd');
  });

  test('is an error if the credential cannot be read', async () => {
    const directory = await scratchDirectory();
    await mkdir(join(directory, 'signing-passphrase'));
    const { signing } = load({}, { CREDENTIALS_DIRECTORY: directory });
    expect(() => signing.passphrase).toThrow('the credential signing-passphrase cannot be read');
  });
});

test.each([
  [{ key: '/k', command: ['sign'], publicKey: '/p' }, 'signing.command: expected only one'],
  [{ command: ['sign'] }, 'signing.publicKey: expected a file'],
  [{ publicKey: '/p' }, 'signing.publicKey: expected only with'],
  [{ command: [] }, 'signing.command: expected a program'],
  [{ overlap: 'soon' }, 'signing.overlap: expected a duration'],
])('%j is refused', (signing, problem) => {
  expect(() => load(signing)).toThrow(problem);
});

test('without a setting, nothing signs unless the data directory has a key', async () => {
  const dataDir = await scratchDirectory();
  const config = loadConfig({ env: {}, overrides: { dataDir } });
  expect(signingSettings(config)).toBeUndefined();
  await mkdir(join(dataDir, 'keys'));
  await writeFile(join(dataDir, 'keys', 'signing.key'), '');
  expect(signingSettings(config)).toMatchObject({ key: join(dataDir, 'keys', 'signing.key') });
});
