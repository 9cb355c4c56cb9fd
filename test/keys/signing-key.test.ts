import { chmod, chown, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CommandSigner } from '../../src/keys/command-signer.ts';
import { createKey } from '../../src/keys/create-key.ts';
import { readKeyFile, readPublicKeys, writeKeyFile } from '../../src/keys/key-file.ts';
import { publish } from '../../src/keys/key-ring.ts';
import { KeySigner } from '../../src/keys/signer.ts';
import { SigningKeys } from '../../src/keys/signing-keys.ts';
import { scratchDirectory } from '../support/catalog.ts';
import { run } from '../support/command.ts';
import { lacks } from '../support/needs.ts';
import { gpgHome, gpgvBytes, scratchKey } from '../support/signing.ts';

const text = '{\n "arch": "amd64",\n "--": "- a"\n}\n';
const day = 86_400_000;

async function signerOf(path: string, passphrase?: string): Promise<KeySigner> {
  const [key] = await readKeyFile(path);
  if (key === undefined) throw new Error('no key');
  return await KeySigner.open(key, passphrase);
}

describe.skipIf(lacks('gpgv'))('gpgv of the distribution verifies', () => {
  test.each([
    ['Ed25519', { rsa: false }],
    ['RSA', { rsa: true }],
    ['Ed25519 with a passphrase', { rsa: false, passphrase: 'correct horse' }],
  ])('what a key signs: %s', async (_, request) => {
    const { key, keyring } = await scratchKey(request);
    const signer = await signerOf(key, 'passphrase' in request ? request.passphrase : undefined);
    const detached = await signer.detached(Buffer.from(text));
    expect(await gpgvBytes(keyring, Buffer.from(text), detached)).toMatchObject({ code: 0 });
    const clear = await signer.clear(text);
    expect(await gpgvBytes(keyring, Buffer.from(clear))).toMatchObject({ code: 0 });
    const changed = Buffer.from(clear.replace('amd64', 'arm64'));
    expect(await gpgvBytes(keyring, changed)).not.toMatchObject({ code: 0 });
  });

  test('nothing with the key of another', async () => {
    const [own, other] = [await scratchKey(), await scratchKey()];
    const clear = await (await signerOf(own.key)).clear(text);
    expect(await gpgvBytes(other.keyring, Buffer.from(clear))).not.toMatchObject({ code: 0 });
  });
});

test('the primary key certifies only, and a subkey signs', async ({ skip }) => {
  skip(lacks('gpg'), 'gnupg is missing');
  const { keyring } = await scratchKey();
  const home = await gpgHome();
  const shown = await run('gpg', ['--homedir', home, '--with-colons', '--show-keys', keyring]);
  const fields = shown.split('\n').map((line) => line.split(':'));
  const capabilities = (kind: string) => fields.find(([name]) => name === kind)?.[11]?.replace(/[A-Z]/g, '');
  expect([capabilities('pub'), capabilities('sub')]).toEqual(['c', 's']);
});

test('a key whose primary part is kept elsewhere signs', async ({ skip }) => {
  skip(lacks('gpg', 'gpgv'), 'gnupg is missing');
  const { key, keyring, fingerprint } = await scratchKey();
  const home = await gpgHome();
  const gpg = ['--homedir', home, '--batch', '--quiet'];
  await run('gpg', [...gpg, '--import', key]);
  const exported = join(home, 'subkey.key');
  await run('gpg', [...gpg, '--output', exported, '--export-secret-subkeys', fingerprint]);
  const clear = await (await signerOf(exported)).clear(text);
  expect(await gpgvBytes(keyring, Buffer.from(clear))).toMatchObject({ code: 0 });
});

test('the revocation certificate revokes the key', async ({ skip }) => {
  skip(lacks('gpg'), 'gnupg is missing');
  const { key, revocationCertificate } = await createKey({ name: 'x', rsa: false });
  const home = await gpgHome();
  const gpg = ['--homedir', home, '--batch', '--quiet'];
  const [publicFile, revocation] = [join(home, 'key.gpg'), join(home, 'revocation.asc')];
  await writeFile(publicFile, (await publish([key])).binary);
  await writeFile(revocation, revocationCertificate);
  await run('gpg', [...gpg, '--import', publicFile, revocation]);
  expect(await run('gpg', [...gpg, '--with-colons', '--list-keys'])).toMatch(/^pub:r:/m);
});

describe('a key file', () => {
  test('is private, whatever the umask, and is never overwritten', async () => {
    const before = process.umask(0);
    try {
      const { key } = await scratchKey();
      expect((await stat(key)).mode & 0o777).toBe(0o600);
      const keys = await readKeyFile(key);
      await expect(writeKeyFile(key, keys, { replace: false })).rejects.toMatchObject({ kind: 'conflict' });
      expect(await readFile(key, 'utf8')).toContain('BEGIN PGP PRIVATE KEY BLOCK');
    } finally {
      process.umask(before);
    }
  });

  test('that root replaces keeps its owner', async ({ skip }) => {
    skip(process.getuid?.() !== 0, 'only root may give files away');
    const { key } = await scratchKey();
    await chown(key, 12_345, 12_346);
    await writeKeyFile(key, await readKeyFile(key), { replace: true });
    expect(await stat(key)).toMatchObject({ uid: 12_345, gid: 12_346 });
  });

  test('that everybody can read is warned of', async () => {
    const { key } = await scratchKey();
    const keys = await SigningKeys.open({ key, overlap: day });
    expect(await keys.exposure()).toBeUndefined();
    await chmod(key, 0o644);
    expect(await keys.exposure()).toContain('chmod 600');
  });

  test('that is missing, or holds something else, is named', async () => {
    const directory = await scratchDirectory();
    const path = join(directory, 'signing.key');
    await expect(readKeyFile(path)).rejects.toThrow(`signing key ${path}: no such file`);
    await writeFile(path, 'something else');
    await expect(readKeyFile(path)).rejects.toThrow(`signing key ${path}: contains no OpenPGP private key`);
  });

  test('gives its key only to those who know the passphrase', async () => {
    const { key } = await scratchKey({ passphrase: 'correct horse' });
    expect(await readFile(key, 'utf8')).not.toBe('');
    await expect(signerOf(key)).rejects.toThrow('HEADWATER_SIGNING_PASSPHRASE');
    await expect(signerOf(key, 'wrong')).rejects.toThrow('the passphrase of the signing key is wrong');
  });
});

test('an expired key does not sign, and its expiry is known', async () => {
  const { key } = await scratchKey({ createdAt: new Date(Date.now() - 2 * day), lifetime: day });
  const keys = await SigningKeys.open({ key, overlap: day });
  expect(keys.signing.expiresAt?.getTime()).toBeLessThan(Date.now());
  await expect(signerOf(key)).rejects.toThrow('the signing key cannot sign');
});

describe.skipIf(lacks('gpg', 'gpgv'))('a command', () => {
  async function gpgCommand(): Promise<{ command: string[]; keyring: string; fingerprint: string }> {
    const { key, keyring, fingerprint } = await scratchKey();
    const home = await gpgHome();
    const command = ['gpg', '--homedir', home, '--batch', '--quiet'];
    await run('gpg', [...command.slice(1), '--import', key]);
    return { command: [...command, '--local-user', fingerprint, '{mode}'], keyring, fingerprint };
  }

  test('signs as a key does', async () => {
    const { command, keyring } = await gpgCommand();
    const signer = new CommandSigner(command, await readPublicKeys(keyring));
    const detached = await signer.detached(Buffer.from(text));
    expect(await gpgvBytes(keyring, Buffer.from(text), detached)).toMatchObject({ code: 0 });
    expect(await gpgvBytes(keyring, Buffer.from(await signer.clear(text)))).toMatchObject({ code: 0 });
  });

  test('whose signature is of another key is refused', async () => {
    const [{ command }, other] = [await gpgCommand(), await scratchKey()];
    const signer = new CommandSigner(command, await readPublicKeys(other.keyring));
    for (const attempt of [signer.detached(Buffer.from(text)), signer.clear(text)]) {
      await expect(attempt).rejects.toThrow('does not fit the public key in signing.publicKey');
    }
  });

  test('that signs something else, prints none or fails is refused, with the reason', async () => {
    const { command, keyring } = await gpgCommand();
    const keys = await readPublicKeys(keyring);
    const shell = (script: string) => new CommandSigner(['sh', '-c', script, 'sh', '{mode}'], keys);
    const gpg = command.slice(0, -1).join(' ');
    await expect(shell(`sed s/amd64/arm64/ | ${gpg} "$1"`).clear(text)).rejects.toThrow('another text');
    await expect(shell(`sed s/amd64/arm64/ | ${gpg} "$1"`).detached(Buffer.from(text))).rejects.toThrow(
      'does not fit',
    );
    await expect(shell('cat').detached(Buffer.from(text))).rejects.toThrow('no OpenPGP signature');
    await expect(shell('echo no card >&2; exit 4').detached(Buffer.from(text))).rejects.toThrow(
      'signing.command (sh): exit code 4: no card',
    );
    await expect(new CommandSigner(['/none/sign'], keys).clear(text)).rejects.toThrow('ENOENT');
  });
});
