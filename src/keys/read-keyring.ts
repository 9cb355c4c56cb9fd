import type { PublicKey } from 'openpgp';

/** A block of armored keys (RFC 9580, section 6.2). */
const armoredBlock = /^-----BEGIN (PGP \w+ KEY BLOCK)-----[\s\S]*?^-----END \1-----/gm;

/** The keys of a file: binary, or armored in any number of blocks, as `cat` puts keyrings together. */
export async function readKeyring(bytes: Buffer): Promise<PublicKey[]> {
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
