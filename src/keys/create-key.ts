import type { PrivateKey, SignaturePacket } from 'openpgp';

/** The properties of a new key. */
export interface KeyRequest {
  /** The user id of the key. */
  name: string;
  /** RSA-4096 instead of Ed25519. */
  rsa: boolean;
  /** Milliseconds; never when left out. */
  lifetime?: number | undefined;
  /** Encrypts the private parts. */
  passphrase?: string | undefined;
}

/** Bits of an RSA key. */
const rsaBits = 4096;

/**
 * Creates an OpenPGP key of version 4: a primary key that certifies and a subkey that signs, so that the primary key can be
 * stored offline. gpgv 2.2 of Debian 12 verifies neither version 6 nor the newer number of Ed25519, so the key has the
 * older one (RFC 9580, section 9.1: EdDSALegacy).
 * @param now the time of creation
 * @returns the key, and the certificate that revokes it, armored
 */
export async function createKey(
  { name, rsa, lifetime, passphrase }: KeyRequest,
  now = new Date(),
): Promise<{ key: PrivateKey; revocationCertificate: string }> {
  const { encryptKey, enums, generateKey } = await import('openpgp');
  const kind = rsa ? ({ type: 'rsa', rsaBits } as const) : ({ type: 'ecc', curve: 'ed25519Legacy' } as const);
  // A key stores whole seconds. Rounding up would date the key in the future.
  const date = new Date(Math.floor(now.getTime() / 1000) * 1000);
  const seconds = lifetime === undefined ? undefined : Math.max(1, Math.round(lifetime / 1000));
  const expiry = seconds === undefined ? {} : { keyExpirationTime: seconds };
  const { privateKey, revocationCertificate } = await generateKey({
    ...kind,
    ...expiry,
    userIDs: [{ name }],
    date,
    subkeys: [{ ...kind, ...expiry, sign: true }],
    format: 'object',
  });
  await certifyOnly(privateKey, enums.keyFlags.certifyKeys, date);
  const key = passphrase === undefined ? privateKey : await encryptKey({ privateKey, passphrase });
  return { key, revocationCertificate };
}

/** The part of a signature that the declarations of the library leave out. */
type Signing = (key: unknown, data: object, date: Date, detached: boolean, config: object) => Promise<void>;

/** Repeats the certification of the primary key without the flag for signing, which the library always sets. */
async function certifyOnly(key: PrivateKey, flag: number, date: Date): Promise<void> {
  const { config } = await import('openpgp');
  const [user] = key.users;
  const certification: SignaturePacket | undefined = user?.selfCertifications[0];
  if (user === undefined || certification === undefined) throw new Error('a new key has no certification');
  certification.keyFlags = new Uint8Array([flag]);
  certification.rawNotations = [];
  const sign = certification.sign.bind(certification) as unknown as Signing;
  await sign(key.keyPacket, { userID: user.userID, key: key.keyPacket }, date, false, config);
}
