/** The published keys, with their fingerprints. */
export interface PublishedKeys {
  armored: string;
  /** Of the primary keys, in hexadecimal. */
  fingerprints: readonly string[];
}

/**
 * The answer of a key server to `/pks/lookup?op=get&search=0x…`, with which gpg fetches a key
 * (draft-gallagher-openpgp-hkp, section 3.1). A search names a key by its fingerprint or its long key id.
 * @returns the armored keys; undefined when the search names none of them
 */
export function lookUpKey(query: URLSearchParams, keys: PublishedKeys | undefined): string | undefined {
  const [, hex] = /^0x([0-9a-f]{16}|[0-9a-f]{40})$/i.exec(query.get('search') ?? '') ?? [];
  if (keys === undefined || hex === undefined || query.get('op') !== 'get') return undefined;
  const isNamed = keys.fingerprints.some((fingerprint) =>
    fingerprint.toLowerCase().endsWith(hex.toLowerCase()),
  );
  return isNamed ? keys.armored : undefined;
}
