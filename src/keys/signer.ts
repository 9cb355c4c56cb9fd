import type { PrivateKey, PublicKey, Signature } from 'openpgp';
import { HeadwaterError } from '../errors.ts';
import { clearSigned, hashNames, signedPart } from './clear-text.ts';

/** Signs documents. */
export interface Signer {
  /** A detached signature of bytes, in binary form. @throws HeadwaterError if signing fails */
  detached(bytes: Uint8Array): Promise<Uint8Array>;
  /**
   * A detached signature of bytes that pass once, in binary form.
   * @throws HeadwaterError if signing fails; the error of the stream
   */
  detachedFrom(bytes: ReadableStream<Uint8Array>): Promise<Uint8Array>;
  /**
   * A clear-signed text.
   * @param text ASCII lines that end with LF, without trailing spaces
   * @throws HeadwaterError if signing fails
   */
  clear(text: string): Promise<string>;
}

/** Signs with a key in memory. */
export class KeySigner implements Signer {
  readonly #key: PrivateKey;

  private constructor(key: PrivateKey) {
    this.#key = key;
  }

  /**
   * @param key whose subkey signs; the private part of its primary key may be missing
   * @param passphrase undefined for a key without one
   * @throws HeadwaterError `invalid` when the passphrase is missing or wrong, or the key cannot sign
   */
  static async open(key: PrivateKey, passphrase: string | undefined): Promise<KeySigner> {
    const usable = await unlock(key, passphrase);
    const signer = new KeySigner(usable);
    await signer.detached(new Uint8Array());
    return signer;
  }

  async detached(bytes: Uint8Array): Promise<Uint8Array> {
    const { createMessage } = await import('openpgp');
    const signature = await this.#sign(await createMessage({ binary: bytes }));
    return assertBytes(signature.write());
  }

  async detachedFrom(bytes: ReadableStream<Uint8Array>): Promise<Uint8Array> {
    const { createMessage } = await import('openpgp');
    const signature = await this.#sign(await createMessage({ binary: bytes }));
    return assertBytes(signature.write());
  }

  async clear(text: string): Promise<string> {
    const { createMessage } = await import('openpgp');
    // The library's class for clear-signed messages needs seconds for some MB.
    const signature = await this.#sign(await createMessage({ text: signedPart(text) }));
    const hash = hashNames.get(signature.packets[0]?.hashAlgorithm ?? 0);
    if (hash === undefined) throw new Error('a signature with an unexpected hash');
    return clearSigned(text, { armored: signature.armor(), hash });
  }

  async #sign(message: Awaited<ReturnType<typeof import('openpgp').createMessage>>): Promise<Signature> {
    const { readSignature, sign } = await import('openpgp');
    try {
      const made = await sign({ message, signingKeys: this.#key, detached: true, format: 'binary' });
      return await readSignature({ binarySignature: await wholeSignature(made) });
    } catch (error) {
      throw new HeadwaterError('invalid', `the signing key cannot sign: ${reasonOf(error)}`, {
        cause: error,
      });
    }
  }
}

/**
 * Decrypts the private parts of a key.
 * @throws HeadwaterError `invalid` when the passphrase is missing or wrong
 */
export async function unlock(key: PrivateKey, passphrase: string | undefined): Promise<PrivateKey> {
  if (key.isDecrypted()) return key;
  if (passphrase === undefined) {
    throw new HeadwaterError(
      'invalid',
      'the signing key has a passphrase: set the systemd credential signing-passphrase, or HEADWATER_SIGNING_PASSPHRASE in the environment',
    );
  }
  const { decryptKey } = await import('openpgp');
  try {
    return await decryptKey({ privateKey: key, passphrase });
  } catch (error) {
    throw new HeadwaterError('invalid', 'the passphrase of the signing key is wrong', { cause: error });
  }
}

/**
 * Checks a signature that another program made.
 * @throws HeadwaterError `invalid` when it is not exactly one good signature of one of these keys
 */
export async function checkSignature(
  message: Awaited<ReturnType<typeof import('openpgp').createMessage>>,
  signature: Signature,
  keys: readonly PublicKey[],
): Promise<void> {
  const { verify } = await import('openpgp');
  // gpgv rejects a document with two signatures if its keyring has only one of the keys.
  if (signature.packets.length !== 1) {
    throw new HeadwaterError('invalid', `it made ${signature.packets.length} signatures: expected one`);
  }
  const { signatures } = await verify({ message, signature, verificationKeys: [...keys] });
  try {
    await signatures[0]?.verified;
  } catch (error) {
    throw new HeadwaterError(
      'invalid',
      `its signature does not fit the public key in signing.publicKey: ${reasonOf(error)}`,
      { cause: error },
    );
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The signature of a message that is a stream is a stream. */
async function wholeSignature(made: unknown): Promise<Uint8Array> {
  if (!(made instanceof ReadableStream)) return assertBytes(made);
  return new Uint8Array(await new Response(made).arrayBuffer());
}

/** The library returns streams only for messages that are streams. */
function assertBytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new Error('a signature that is a stream');
  return value;
}
