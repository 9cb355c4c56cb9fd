import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createKey, type KeyRequest } from '../../src/keys/create-key.ts';
import { writeKeyFile } from '../../src/keys/key-file.ts';
import { fingerprintOf, publish } from '../../src/keys/key-ring.ts';
import { KeySigner } from '../../src/keys/signer.ts';
import { scratchDirectory } from './catalog.ts';
import { attempt, type CommandResult } from './command.ts';

/** A signing key in a directory of its own. */
export interface ScratchKey {
  /** The key file. */
  key: string;
  /** The public key, as clients pin it. */
  keyring: string;
  fingerprint: string;
}

/** Makes a signing key that goes when the test is over. */
export async function scratchKey(
  request: Partial<KeyRequest> & { createdAt?: Date } = {},
): Promise<ScratchKey> {
  const directory = await scratchDirectory();
  const { createdAt = new Date(), ...rest } = request;
  const { key } = await createKey({ name: 'Headwater test', rsa: false, ...rest }, createdAt);
  const path = join(directory, 'keys', 'signing.key');
  await writeKeyFile(path, [key], { replace: false });
  const keyring = join(directory, 'headwater.gpg');
  await writeFile(keyring, (await publish([key])).binary);
  return { key: path, keyring, fingerprint: fingerprintOf(key) };
}

/** Runs gpgv, as simplestreams does. */
async function gpgv(keyring: string, ...files: string[]): Promise<CommandResult> {
  return await attempt('gpgv', ['--keyring', keyring, ...files]);
}

/** Runs gpgv over bytes. @param signature detached; left out for a clear-signed text */
export async function gpgvBytes(
  keyring: string,
  bytes: Uint8Array,
  signature?: Uint8Array,
): Promise<CommandResult> {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-gpgv-'));
  try {
    const [signed, detached] = [join(directory, 'signed'), join(directory, 'detached')];
    await writeFile(signed, bytes);
    if (signature === undefined) return await gpgv(keyring, signed);
    await writeFile(detached, signature);
    return await gpgv(keyring, detached, signed);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** A home of gpg of its own: short, because its agent listens on a socket in it. */
export async function gpgHome(): Promise<string> {
  const home = await mkdtemp('/tmp/hw-gpg-');
  onTestFinished(async () => {
    await attempt('gpgconf', ['--homedir', home, '--kill', 'all']);
    await rm(home, { recursive: true, force: true });
  });
  return home;
}

/** A key of another site: signs texts as that site would. */
export async function scratchSite(): Promise<{
  keyring: string;
  clearSign: (text: string) => Promise<string>;
}> {
  const { key } = await createKey({ name: 'Headwater test', rsa: false }, new Date());
  const keyring = join(await scratchDirectory(), 'site.gpg');
  await writeFile(keyring, (await publish([key])).binary);
  const signer = await KeySigner.open(key, undefined);
  return { keyring, clearSign: async (text) => await signer.clear(text) };
}
