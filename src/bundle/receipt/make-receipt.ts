import type { BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import { HeadwaterError } from '../../errors.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import { version } from '../../version.ts';
import { parseManifest } from '../format/manifest.ts';
import type { ReceiptContent } from './receipt.ts';
import { type ShortCode, stateCode } from './short-code.ts';

/** What a site can state about the bundles of another one. */
export interface MadeReceipt {
  content: ReceiptContent;
  /** Undefined if no bundle was imported. */
  code: ShortCode | undefined;
}

/** How many blobs are looked up in the store at a time. */
const parallel = 32;

/**
 * Makes the receipt of a mirror whose versions come in bundles. Each blob is looked up in the store, so that the receipt is
 * right after the site lost data.
 * @param mirror the mirror, and the site that writes its bundles
 * @param ownSite the name of this site, if the configuration sets it
 * @throws HeadwaterError `not-found` if no bundle was imported and this site has no name
 */
export async function makeReceipt(
  { name, site }: { name: string; site: string },
  { catalog, store }: { catalog: Catalog; store: BlobStore },
  ownSite: string | undefined,
  now = new Date(),
): Promise<MadeReceipt> {
  const followed = await catalog.received.followed(name);
  const common = { from: site, created: now.toISOString(), headwater: version };
  if (followed === undefined) {
    if (ownSite === undefined) {
      throw new HeadwaterError(
        'not-found',
        `mirror ${name} imported no bundle: set "site" in the configuration to the name of this site`,
      );
    }
    return { content: { ...common, site: ownSite, last: null, missing: [], held: [] }, code: undefined };
  }
  const { to, sequence, identity } = followed;
  const { carried, assumed } = parseManifest(Buffer.from(followed.manifest), `bundle ${sequence} of ${site}`);
  const named = [...carried, ...assumed].map(({ digest }) => parseDigest(digest));
  const known = await catalog.blobs.findAll(named);
  const stored = await inStore(
    store,
    named.filter((digest) => known.has(digest)),
  );
  const awaited = await catalog.received.awaited(name);
  // Blobs of versions that the definition does not select are not missing.
  const needed = new Set([...known.keys(), ...awaited.map(({ digest }) => digest)]);
  const held = named.filter((digest) => stored.has(digest));
  return {
    content: {
      ...{ ...common, site: to, last: { sequence, identity } },
      missing: named.filter((digest) => needed.has(digest) && !stored.has(digest)),
      held,
    },
    code: { site: to, sequence, code: stateCode(identity, held) },
  };
}

/** Those of some blobs that the store has. */
async function inStore(store: BlobStore, digests: readonly Digest[]): Promise<Set<Digest>> {
  const found = new Set<Digest>();
  const left = digests.values();
  const work = async () => {
    for (const digest of left) if ((await store.stat(digest)) !== undefined) found.add(digest);
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return found;
}
