import { HeadwaterError } from '../../errors.ts';
import { type Verifier, withoutSignature } from '../../keys/verifier.ts';
import type { SignedBy } from '../../model/evidence.ts';

/** A document without its signature, which was checked where there is a verifier. */
export interface VerifiedDocument {
  /** JSON. */
  bytes: Uint8Array;
  /** Its signature, if that is a file of its own and was checked. */
  signature?: Uint8Array;
  /** The keys that signed it; empty where signatures are not checked. */
  signedBy: SignedBy[];
  /** When it was signed; undefined where signatures are not checked. */
  signedAt?: Date;
  /** How the signature has expired since `at`. */
  expired?: string;
}

/**
 * The JSON of a document, once its signature is known to be good.
 * @param path in messages
 * @param options.verifier undefined where unsigned documents are accepted
 * @param options.signature finds the detached signature of a document that is not clear-signed
 * @param options.at when it was judged first: what has expired since then is accepted
 * @throws HeadwaterError `invalid` when it is refused
 */
export async function verifiedDocument(
  path: string,
  bytes: Uint8Array,
  options: {
    verifier: Verifier | undefined;
    signature: () => Promise<Uint8Array | undefined>;
    at?: Date;
  },
): Promise<VerifiedDocument> {
  const { verifier, at } = options;
  const judging = at === undefined ? {} : { at };
  const isSigned = Buffer.from(bytes.subarray(0, 100)).includes('-----BEGIN PGP');
  if (verifier === undefined) {
    return {
      bytes: isSigned ? Buffer.from(withoutSignature(Buffer.from(bytes).toString('utf8'))) : bytes,
      signedBy: [],
    };
  }
  if (isSigned) {
    const { text, ...good } = await verifier.clearSigned(bytes, path, judging);
    return { bytes: Buffer.from(text), ...good };
  }
  const signature = await options.signature();
  if (signature === undefined) {
    throw new HeadwaterError(
      'invalid',
      `${path}: refused: it is not signed, and ${path}.gpg does not exist. To accept unsigned documents, set "unsigned: true"`,
    );
  }
  return { bytes, signature, ...(await verifier.detached(bytes, signature, path, judging)) };
}
