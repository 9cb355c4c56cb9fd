import { sql } from 'kysely';
import type { Change } from '../database/change.ts';
import { insertRows, rowsOf } from '../database/json-rows.ts';

// Fingerprints within a change. The table `fingerprints` contains computed fingerprints only. The fingerprint of an item may be
// the claim of an upstream's document, while its files are only listed.

/** The fingerprint that the bytes of two files have together. */
export interface ComputedFingerprint {
  /** The digest of the metadata item. */
  metadata: string;
  /** The digest of the root. */
  root: string;
  fingerprint: string;
}

/** A version with an image whose fingerprint in the catalog is wrong. */
export interface WrongImage {
  stream: string;
  product: string;
  serial: string;
  owner: string;
  /** The fingerprint in the catalog. */
  claimed: string;
}

/** How long fingerprints of files without a version are remembered, in milliseconds: a mirror may list them again. */
const rememberedFor = 90 * 24 * 3_600_000;

export async function insertFingerprints(
  change: Change,
  computed: readonly ComputedFingerprint[],
  now = new Date(),
): Promise<void> {
  if (computed.length === 0) return;
  const rows = computed.map((one) => ({ ...one, computed_at: now.getTime() }));
  const columns = { metadata: 'text', root: 'text', fingerprint: 'text', computed_at: 'bigint' } as const;
  await sql`
    ${insertRows('fingerprints', columns, rows)}
    on conflict (metadata, root) do update
    set fingerprint = excluded.fingerprint, computed_at = excluded.computed_at
  `.execute(change.db);
}

/** Forgets old fingerprints of roots that are neither stored nor part of a version. */
export async function forgetFingerprints(change: Change, now = new Date()): Promise<void> {
  await sql`
    delete from fingerprints where computed_at < ${now.getTime() - rememberedFor}
    and root not in (select digest from items) and root not in (select digest from blobs)
  `.execute(change.db);
}

/** The fields of an item that identify its image. */
export interface NamedFile {
  type: string;
  digest: string;
  fingerprint?: string;
}

/**
 * Removes versions listed on demand that claim the computed fingerprint of an image and have other files. Such a claim is
 * false, and clients would find two images with one fingerprint.
 * @param versions the items of each published version
 */
export async function removeFalseClaims(
  change: Change,
  versions: readonly (readonly NamedFile[])[],
): Promise<void> {
  const any = await change.db.selectFrom('sources').select('digest').limit(1).executeTakeFirst();
  if (any === undefined) return;
  const images = versions.flatMap((items) => {
    const metadata = items.find(({ type }) => type === 'metadata')?.digest ?? null;
    return items.flatMap(({ digest: root, fingerprint }) =>
      fingerprint === undefined ? [] : [{ fingerprint, root, metadata }],
    );
  });
  const { rows } = await sql<WrongVersion>`
    select distinct versions.id, versions.product_id as "productId", versions.serial, products.name as product,
      products.stream, products.owner, claim.fingerprint as claimed
    from ${rowsOf({ fingerprint: 'text', root: 'text', metadata: 'text' }, images)}
    join items as claim on claim.fingerprint = rows.fingerprint
    join versions on versions.id = claim.version_id
    join products on products.id = versions.product_id
    left join items as metadata on metadata.version_id = claim.version_id and metadata.type = 'metadata'
    where (claim.digest <> rows.root or metadata.digest is distinct from rows.metadata)
    and (rows.fingerprint = rows.root or exists (
      select 1 from fingerprints where fingerprints.metadata = rows.metadata
      and fingerprints.root = rows.root and fingerprints.fingerprint = rows.fingerprint))
    and claim.fingerprint <> claim.digest
    and not exists (
      select 1 from fingerprints where fingerprints.metadata = metadata.digest
      and fingerprints.root = claim.digest and fingerprints.fingerprint = claim.fingerprint)
    and ${isSourced('claim')}
  `.execute(change.db);
  await removeWrong(change, rows, 'the fingerprint is that of another image');
}

/** A version that {@link removeWrong} removes. */
export interface WrongVersion extends WrongImage {
  id: number;
  productId: number;
}

/**
 * Deletes versions with a wrong fingerprint. Clients refuse such an image, so unlike other removed versions these do not stay
 * fetchable.
 */
export async function removeWrong(
  change: Change,
  versions: readonly WrongVersion[],
  reason: string,
): Promise<void> {
  for (const { id, productId, stream, product, serial, claimed } of versions) {
    await change.db.deleteFrom('versions').where('id', '=', id).execute();
    await touchProduct(change, productId);
    await change.audit({
      action: 'version.refuse',
      subject: `${product}@${serial}`,
      details: { stream, claimed, reason },
    });
  }
}

/** Makes the documents show a product again. */
export async function touchProduct(change: Change, productId: number): Promise<void> {
  await change.db
    .updateTable('products')
    .set({ revision: await change.revision() })
    .where('id', '=', productId)
    .execute();
}

/** Whether a file can be fetched on demand. @param item the alias of its table in the statement */
export function isSourced(item: string) {
  return sql<boolean>`exists (select 1 from sources where sources.digest = ${sql.ref(`${item}.digest`)})`;
}
