import { readFile } from 'node:fs/promises';
import type { KeyID, PublicKey, VerifyMessageResult } from 'openpgp';
import { HeadwaterError, messageOf } from '../errors.ts';
import { fileError } from '../files/file-error.ts';
import type { SignedBy } from '../model/evidence.ts';
import { readKeyring } from './read-keyring.ts';
import { type Expiry, expiryOf } from './signature-expiry.ts';

type VerificationResult = VerifyMessageResult['signatures'][number];

// The library takes a while to load: it is loaded when something is to be verified.

/** A signature that a key of the keyring made. */
export interface GoodSignature {
  /** The time of the signature, which is a part of what is signed. */
  signedAt: Date;
  /** The keys of all good signatures; the time is that of the first one. */
  signedBy: SignedBy[];
  /** How the signature or its key has expired since it was judged; only where it is judged in the past. */
  expired?: string;
}

/** The time for which a signature is judged. */
interface Judging {
  /**
   * Now if omitted. A signature or a key that has expired since then is accepted. A key that was revoked since then is not:
   * whoever has it can give its signatures any time.
   */
  at?: Date;
}

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
   * @returns the text, and who signed it when
   * @throws HeadwaterError `invalid`: unsigned, changed since it was signed, signed by another key, or expired
   */
  async clearSigned(
    bytes: Uint8Array,
    where: string,
    judging: Judging = {},
  ): Promise<GoodSignature & { text: string }> {
    const { readCleartextMessage, verify } = await import('openpgp');
    const cleartextMessage = Buffer.from(bytes).toString('utf8');
    if (!cleartextMessage.startsWith('-----BEGIN PGP SIGNED MESSAGE-----')) throw unsigned(where);
    const message = await readCleartextMessage({ cleartextMessage }).catch((error: unknown) => {
      throw unreadable(where, error);
    });
    let text = '';
    const verifyAt = async (date: Date) => {
      const verifying = verify({ message, verificationKeys: this.#keys, date });
      const { data, signatures } = await verifying.catch((error: unknown) => {
        throw unreadable(where, error);
      });
      text = data;
      return signatures;
    };
    const good = await this.#accept(verifyAt, where, judging);
    return { text, ...good };
  }

  /**
   * Checks bytes whose signature is a file of its own.
   * @returns who signed them when
   * @throws HeadwaterError `invalid`, as {@link clearSigned}
   */
  async detached(
    bytes: Uint8Array,
    signatureBytes: Uint8Array,
    where: string,
    judging: Judging = {},
  ): Promise<GoodSignature> {
    const { createMessage, readSignature, verify } = await import('openpgp');
    const armored = Buffer.from(signatureBytes.subarray(0, 100)).includes('-----BEGIN PGP');
    const reading = armored
      ? readSignature({ armoredSignature: Buffer.from(signatureBytes).toString() })
      : readSignature({ binarySignature: signatureBytes });
    const signature = await reading.catch((error: unknown) => {
      throw unreadable(where, error);
    });
    const message = await createMessage({ binary: bytes });
    const verifyAt = async (date: Date) => {
      const verifying = verify({ message, signature, verificationKeys: this.#keys, date });
      const { signatures } = await verifying.catch((error: unknown) => {
        throw unreadable(where, error);
      });
      return signatures;
    };
    return await this.#accept(verifyAt, where, judging);
  }

  /** @param verifyAt checks the signatures as at a time */
  async #accept(
    verifyAt: (date: Date) => Promise<VerificationResult[]>,
    where: string,
    { at }: Judging,
  ): Promise<GoodSignature> {
    const now = new Date();
    const results = await verifyAt(now);
    try {
      return await this.#anyGood(results, where, now);
    } catch (error) {
      const end = at === undefined ? undefined : await this.#end(results);
      if (end === undefined || at === undefined || end.at <= at || end.at > now) throw error;
      // At the last moment: an extended key has no self-signature from before its extension.
      const last = new Date(end.at.getTime() - 1000);
      return { ...(await this.#anyGood(await verifyAt(last), where, last)), expired: end.what };
    }
  }

  /** One good signature is enough: upstreams sign with an old and a new key while they change keys. */
  async #anyGood(results: VerificationResult[], where: string, at: Date): Promise<GoodSignature> {
    let problem: HeadwaterError | undefined;
    let signedAt: Date | undefined;
    const signedBy: SignedBy[] = [];
    for (const result of results) {
      const key = this.#keyOf(result.keyID);
      const found = await this.#problem(result, key, where, at);
      if (found === undefined && key !== undefined) {
        signedAt ??= await timeOf(result);
        signedBy.push(signerOf(key));
      } else if (problem === undefined || key !== undefined) {
        // A signature by a known key tells more than one by an unknown key.
        problem = found;
      }
    }
    if (signedAt === undefined) throw problem ?? unsigned(where);
    return { signedAt, signedBy };
  }

  /** When the last of some signatures expired, or its key. */
  async #end(results: VerificationResult[]): Promise<Expiry | undefined> {
    let last: Expiry | undefined;
    for (const result of results) {
      const key = this.#keyOf(result.keyID);
      const end = key === undefined ? undefined : await expiryOf(result, key);
      if (end !== undefined && (last === undefined || end.at > last.at)) last = end;
    }
    return last;
  }

  async #problem(
    result: VerificationResult,
    key: PublicKey | undefined,
    where: string,
    at: Date,
  ): Promise<HeadwaterError | undefined> {
    const id = result.keyID.toHex().toUpperCase();
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
    if (await key.isRevoked(undefined, undefined, new Date()))
      return refused(where, `the key ${id} that signed it is revoked`);
    const end = await expiryOf(result, key);
    return end === undefined || end.at > at ? undefined : refused(where, end.what);
  }

  #keyOf(id: KeyID): PublicKey | undefined {
    return this.#keys.find((key) => key.getKeys(id).length > 0);
  }
}

function signerOf(key: PublicKey): SignedBy {
  const [userId] = key.getUserIDs();
  const fingerprint = key.getFingerprint().toUpperCase();
  return userId === undefined ? { fingerprint } : { fingerprint, userId };
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
