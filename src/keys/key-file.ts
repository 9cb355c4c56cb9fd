import { link, mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Key, PrivateKey } from 'openpgp';
import { codeOf, HeadwaterError, messageOf } from '../errors.ts';
import { fileError } from '../files/file-error.ts';
import { removeFile, statOf, syncDirectory } from '../files/file-system.ts';

export type { PrivateKey } from 'openpgp';

// The library is slow to load: each function loads it when it is called.

/**
 * Reads the private keys of a signing key file, in their order in the file. Reading requires no passphrase.
 * @throws HeadwaterError `not-found` or `invalid`, naming the file
 */
export async function readKeyFile(path: string): Promise<PrivateKey[]> {
  const bytes = await readBytes(path, 'signing key');
  const { readPrivateKeys } = await import('openpgp');
  try {
    return isArmored(bytes)
      ? await readPrivateKeys({ armoredKeys: bytes.toString('latin1') })
      : await readPrivateKeys({ binaryKeys: bytes });
  } catch (error) {
    throw new HeadwaterError(
      'invalid',
      `signing key ${path}: contains no OpenPGP private key: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/**
 * Reads a file of public keys, binary or armored.
 * @throws HeadwaterError `not-found` or `invalid`, naming the file
 */
export async function readPublicKeys(path: string): Promise<Key[]> {
  const bytes = await readBytes(path, 'public key');
  const { readKeys } = await import('openpgp');
  try {
    const keys = isArmored(bytes)
      ? await readKeys({ armoredKeys: bytes.toString('latin1') })
      : await readKeys({ binaryKeys: bytes });
    return keys.map((key) => key.toPublic());
  } catch (error) {
    throw new HeadwaterError(
      'invalid',
      `public key ${path}: contains no OpenPGP public key: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/**
 * Writes a signing key file with mode 0600. After a power failure the file is the old one or the new one.
 * @param keys the keys, encrypted or not, which are written unchanged
 * @param options.replace whether an existing file is replaced
 * @throws HeadwaterError `conflict` if the file exists and must not be replaced, and failures of the disk
 */
export async function writeKeyFile(
  path: string,
  keys: readonly PrivateKey[],
  options: { replace: boolean },
): Promise<void> {
  const { enums } = await import('openpgp');
  const text = await armored(enums.armor.privateKey, Buffer.concat(keys.map((key) => key.write())));
  await writeSecret(path, text, options);
}

/** Keys as armored text. gpg 2.2 requires the checksum, which RFC 9580 leaves out. */
export async function armored(type: number, bytes: Uint8Array): Promise<string> {
  const { armor } = await import('openpgp');
  return armor(type, bytes, undefined, undefined, undefined, true);
}

/** A signature as text. */
export async function armoredSignature(signature: Uint8Array): Promise<string> {
  const { enums } = await import('openpgp');
  return await armored(enums.armor.signature, signature);
}

/** Writes a file with mode 0600, durably and atomically. A missing directory is created with mode 0700. */
export async function writeSecret(path: string, text: string, options: { replace: boolean }): Promise<void> {
  const directory = dirname(path);
  const staged = `${path}.${process.pid}.new`;
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await removeFile(staged);
    const file = await open(staged, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.chmod(0o600);
      // The user that runs the server must be able to read a key that root rotates.
      const old = options.replace ? await statOf(path) : undefined;
      if (old !== undefined && process.getuid?.() === 0) await file.chown(old.uid, old.gid);
      await file.sync();
    } finally {
      await file.close();
    }
    // link fails if the file exists; rename would replace the key that another process creates.
    if (options.replace) await rename(staged, path);
    else await link(staged, path);
    await syncDirectory(directory);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') {
      throw new HeadwaterError('conflict', `${path}: the file exists; a key is never overwritten`, {
        cause: error,
      });
    }
    throw fileError(error, { path, doing: 'write' });
  } finally {
    await removeFile(staged);
  }
}

/** Whether users other than the owner and the group may read a file. */
export async function isReadableByAll(path: string): Promise<boolean> {
  const found = await stat(path).catch((error: unknown) => {
    throw fileError(error, { path, doing: 'read', isInput: true });
  });
  return (found.mode & 0o004) !== 0;
}

async function readBytes(path: string, what: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const known = fileError(error, { path, doing: 'read', isInput: true });
    throw known instanceof HeadwaterError ? known.within(what, ' ') : known;
  }
}

function isArmored(bytes: Buffer): boolean {
  return bytes.subarray(0, 4096).includes('-----BEGIN PGP');
}
