import { readFile } from 'node:fs/promises';
import type { KeyID, PublicKey, VerifyMessageResult } from 'openpgp';
import { HeadwaterError, messageOf } from '../errors.ts';
import { fileError } from '../files/file-error.ts';

type VerificationResult = VerifyMessageResult['signatures'][number];

// The library takes a while to load: it is loaded when something is to be verified.

/** Checks the signatures of an upstream's documents against the keys of a file. */
export class Verifier {
  readonly #file: string;
  readonly #keys: PublicKey[];

  private constructor(file: string, keys: PublicKey[]) {
    this.#file = file;
    this.#keys = keys;
  }

  /**
   * @param file OpenPGP public keys, binary or in any number of armored blocks
   * @throws HeadwaterError `invalid`, naming the file
   */
  static async open(file: string): Promise<Verifier> {
    let bytes: Buffer;
    try {
      bytes = await readFile(file);
    } catch (error) {
      const { message } = fileError(error, { path: file, doing: 'read', isInput: true });
      throw new HeadwaterError('invalid', `keyring ${message}`, { cause: error });
    }
    try {
      const keys = await readKeyring(bytes);
      if (keys.length === 0) throw new Error('there is no key in it');
      return new Verifier(file, keys);
    } catch (error) {
      throw new HeadwaterError(
        'invalid',
        `keyring ${file}: holds no OpenPGP public keys: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  /**
   * The text of a clear-signed message, once a key of the keyring is known to have signed it.
   * @param where the document in messages
   * @returns the text, and when it was signed: the time is a part of what is signed
   * @throws HeadwaterError `invalid`: unsigned, changed since it was signed, signed by another key, or expired
   */
  async clearSigned(bytes: Uint8Array, where: string): Promise<{ text: string; signedAt: Date }> {
    const { readCleartextMessage, verify } = await import('openpgp');
    const text = Buffer.from(bytes).toString('utf8');
    if (!text.startsWith('-----BEGIN PGP SIGNED MESSAGE-----')) throw unsigned(where);
    const message = await readCleartextMessage({ cleartextMessage: text }).catch((error: unknown) => {
      throw unreadable(where, error);
    });
    const verifying = verify({ message, verificationKeys: this.#keys });
    const { data, signatures } = await verifying.catch((error: unknown) => {
      throw unreadable(where, error);
    });
    return { text: data, signedAt: await this.#accept(signatures, where) };
  }

  /**
   * Checks bytes whose signature is a file of its own.
   * @returns when they were signed
   * @throws HeadwaterError `invalid`, as {@link clearSigned}
   */
  async detached(bytes: Uint8Array, signatureBytes: Uint8Array, where: string): Promise<Date> {
    const { createMessage, readSignature, verify } = await import('openpgp');
    const armored = Buffer.from(signatureBytes.subarray(0, 100)).includes('-----BEGIN PGP');
    const reading = armored
      ? readSignature({ armoredSignature: Buffer.from(signatureBytes).toString() })
      : readSignature({ binarySignature: signatureBytes });
    const signature = await reading.catch((error: unknown) => {
      throw unreadable(where, error);
    });
    const message = await createMessage({ binary: bytes });
    const verifying = verify({ message, signature, verificationKeys: this.#keys });
    const { signatures } = await verifying.catch((error: unknown) => {
      throw unreadable(where, error);
    });
    return await this.#accept(signatures, where);
  }

  /**
   * One good signature is enough: upstreams sign with an old and a new key while they change keys.
   * @returns when it was made
   */
  async #accept(signatures: VerificationResult[], where: string): Promise<Date> {
    let problem: HeadwaterError | undefined;
    for (const signature of signatures) {
      const found = await this.#problem(signature, where);
      if (found === undefined) return await timeOf(signature);
      // A signature by a known key tells more than one by an unknown key.
      if (problem === undefined || this.#keyOf(signature.keyID) !== undefined) problem = found;
    }
    throw problem ?? unsigned(where);
  }

  async #problem(result: VerificationResult, where: string): Promise<HeadwaterError | undefined> {
    const id = result.keyID.toHex().toUpperCase();
    const key = this.#keyOf(result.keyID);
    if (key === undefined) {
      return refused(where, `it is signed by another key (${id}) than those in ${this.#file}`);
    }
    try {
      await result.verified;
    } catch (error) {
      const message = messageOf(error);
      if (/digest did not match|verification failed/i.test(message)) {
        return refused(where, `it was changed after it was signed (by the key ${id})`, error);
      }
      if (/expired/i.test(message)) {
        const what = /signature/i.test(message) ? 'its signature' : `the key ${id} that signed it`;
        return refused(where, `${what} has expired`, error);
      }
      return refused(where, `its signature by the key ${id} is not valid: ${message}`, error);
    }
    const now = new Date();
    if (await key.isRevoked(undefined, undefined, now))
      return refused(where, `the key ${id} that signed it is revoked`);
    for (const part of [key, ...key.getSubkeys(result.keyID)]) {
      const expires = await part.getExpirationTime();
      if (expires instanceof Date && expires <= now) {
        const day = expires.toISOString().slice(0, 10);
        return refused(where, `the key ${id} that signed it has expired on ${day}: get a newer keyring`);
      }
    }
    const made = (await result.signature).packets[0];
    const ends = made?.getExpirationTime();
    if (ends instanceof Date && ends <= now) {
      return refused(where, `its signature has expired on ${ends.toISOString().slice(0, 10)}`);
    }
    return undefined;
  }

  #keyOf(id: KeyID): PublicKey | undefined {
    return this.#keys.find((key) => key.getKeys(id).length > 0);
  }
}

/** A block of armored keys (RFC 9580, section 6.2). */
const armoredBlock = /^-----BEGIN (PGP \w+ KEY BLOCK)-----[\s\S]*?^-----END \1-----/gm;

/** The keys of a file: binary, or armored in any number of blocks, as `cat` puts keyrings together. */
async function readKeyring(bytes: Buffer): Promise<PublicKey[]> {
  const { PublicKey, readKeys } = await import('openpgp');
  const isPublic = (key: unknown) => key instanceof PublicKey;
  if (!bytes.includes('-----BEGIN PGP')) return (await readKeys({ binaryKeys: bytes })).filter(isPublic);
  const text = bytes.toString();
  const blocks = text.match(armoredBlock) ?? [];
  if (blocks.length < (text.match(/-----BEGIN PGP/g) ?? []).length) throw new Error('a block of it is cut');
  const keys: PublicKey[] = [];
  for (const block of blocks) keys.push(...(await readKeys({ armoredKeys: block })).filter(isPublic));
  return keys;
}

/** When a good signature was made (RFC 9580, section 5.2.3.11: the hashed area must have it). */
async function timeOf(result: VerificationResult): Promise<Date> {
  const made = (await result.signature).packets[0]?.created;
  if (made instanceof Date) return made;
  throw new Error('a signature without its time was accepted');
}

/** The text of a clear-signed message, without a check of its signature (RFC 9580, section 7). */
export function withoutSignature(text: string): string {
  const begin = /^-----BEGIN PGP SIGNED MESSAGE-----\r?\n(?:.+\r?\n)*\r?\n/.exec(text);
  const end = text.indexOf('\n-----BEGIN PGP SIGNATURE-----');
  if (begin === null || end === -1) return text;
  return text.slice(begin[0].length, end).replaceAll(/^- /gm, '');
}

/** Also for a signature that can be read and not be checked: of a kind, or with a hash, that does not exist. */
function unreadable(where: string, cause: unknown): HeadwaterError {
  return refused(where, 'its signature cannot be read', cause);
}

function unsigned(where: string): HeadwaterError {
  return refused(where, 'it is not signed');
}

function refused(where: string, problem: string, cause?: unknown): HeadwaterError {
  return new HeadwaterError('invalid', `${where}: refused: ${problem}`, { cause });
}
