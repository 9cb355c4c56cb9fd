import type { PublicKey, VerifyMessageResult } from 'openpgp';

/** The end of a signature, or of its key. */
export interface Expiry {
  at: Date;
  /** For messages. */
  what: string;
}

/** When a signature or the key that made it expires, whichever is first; undefined when neither does. */
export async function expiryOf(
  { keyID, signature }: VerifyMessageResult['signatures'][number],
  key: PublicKey,
): Promise<Expiry | undefined> {
  const ends: Expiry[] = [];
  for (const part of [key, ...key.getSubkeys(keyID)]) {
    const at = await part.getExpirationTime();
    if (!(at instanceof Date)) continue;
    const id = keyID.toHex().toUpperCase();
    ends.push({ at, what: `the key ${id} that signed it has expired on ${dayOf(at)}: get a newer keyring` });
  }
  const at = (await signature).packets[0]?.getExpirationTime();
  if (at instanceof Date) ends.push({ at, what: `its signature has expired on ${dayOf(at)}` });
  return ends.sort((one, other) => one.at.getTime() - other.at.getTime())[0];
}

function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10);
}
