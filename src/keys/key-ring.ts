import type { Key } from 'openpgp';
import { defined } from '../model/defined.ts';
import { armored } from './key-file.ts';

/** The use of a key in a signing key file. */
export type KeyRole =
  /** The key signs. */
  | 'signing'
  /** The key is published, and signs after the overlap or after `key rotate --switch`. */
  | 'next'
  /** The key signed before, and is still published. */
  | 'previous';

/** The properties of a key that are shown to people. */
export interface KeyFacts {
  /** Of the primary key: 40 hexadecimal digits, in capitals as gpg prints them. */
  fingerprint: string;
  name: string;
  /** `Ed25519` or `RSA-4096`. */
  algorithm: string;
  role: KeyRole;
  createdAt: Date;
  /** The earliest expiry of the primary key and its subkeys. */
  expiresAt?: Date;
  /** Of the next key: the end of the overlap, when it starts to sign. */
  signsFrom?: Date;
}

/**
 * The role of each key of a file. The first key signs. A key that is newer than the first one is its successor, and signs
 * as soon as both have been published for the overlap; older keys are kept so that they stay published.
 * @param overlap milliseconds
 */
export function rolesOf<Kind extends Key>(
  keys: readonly Kind[],
  overlap: number,
  now = new Date(),
): { key: Kind; role: KeyRole }[] {
  const [first] = keys;
  if (first === undefined) return [];
  const isDue = (key: Key) => key.getCreationTime().getTime() + overlap <= now.getTime();
  const successors = keys.filter((key) => key.getCreationTime() > first.getCreationTime());
  const signing = successors.filter(isDue).sort(byCreation).at(-1) ?? first;
  return keys.map((key) => ({
    key,
    role:
      key === signing ? 'signing' : key.getCreationTime() > signing.getCreationTime() ? 'next' : 'previous',
  }));
}

function byCreation(one: Key, other: Key): number {
  return one.getCreationTime().getTime() - other.getCreationTime().getTime();
}

/** The properties of the keys of a file ({@link rolesOf}). The key that signs comes first. */
export async function factsOf(keys: readonly Key[], overlap: number, now = new Date()): Promise<KeyFacts[]> {
  const order: KeyRole[] = ['signing', 'next', 'previous'];
  const facts = await Promise.all(
    rolesOf(keys, overlap, now).map(async ({ key, role }): Promise<KeyFacts> => {
      const createdAt = key.getCreationTime();
      return {
        fingerprint: fingerprintOf(key),
        name: key.getUserIDs()[0] ?? '',
        algorithm: algorithmOf(key),
        role,
        createdAt,
        ...defined({
          expiresAt: await expiryOf(key),
          signsFrom:
            role === 'next' && Number.isFinite(overlap) ? new Date(createdAt.getTime() + overlap) : undefined,
        }),
      };
    }),
  );
  return facts.sort((one, other) => order.indexOf(one.role) - order.indexOf(other.role));
}

/** The fingerprint of the primary key, as gpg prints it. */
export function fingerprintOf(key: Key): string {
  return key.getFingerprint().toUpperCase();
}

/** Whether a text names a key: the end of its fingerprint, at least 16 digits. Blanks are ignored. */
export function isNamed(key: Key, text: string): boolean {
  const digits = text.replaceAll(/\s/g, '').replace(/^0x/i, '').toUpperCase();
  return digits.length >= 16 && fingerprintOf(key).endsWith(digits);
}

function algorithmOf(key: Key): string {
  const { algorithm, bits, curve } = key.getAlgorithmInfo();
  if (curve === 'ed25519Legacy') return 'Ed25519';
  return bits === undefined ? (curve ?? algorithm) : `RSA-${bits}`;
}

/** When signatures of a key are no longer accepted; undefined for never. */
async function expiryOf(key: Key): Promise<Date | undefined> {
  const parts = await Promise.all([key, ...key.subkeys].map((part) => part.getExpirationTime()));
  const times = parts.filter((time) => time instanceof Date).map((time) => time.getTime());
  return times.length === 0 ? undefined : new Date(Math.min(...times));
}

/** The public parts of keys, as clients pin them. */
export interface PublishedKeys {
  /** The only form that gpgv reads. */
  binary: Buffer;
  armored: string;
}

/** The public parts of keys, in the given order. */
export async function publish(keys: readonly Key[]): Promise<PublishedKeys> {
  const { enums } = await import('openpgp');
  const binary = Buffer.concat(keys.map((key) => key.toPublic().write()));
  return { binary, armored: await armored(enums.armor.publicKey, binary) };
}
