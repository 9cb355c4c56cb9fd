import { type Kysely, sql } from 'kysely';
import type { Change } from '../database/change.ts';
import { insertRows, rowsOf, valuesOf } from '../database/json-rows.ts';
import type { Tables } from '../database/tables.ts';
import { insertFingerprints } from '../images/fingerprint-rows.ts';

// What changes read and write of blobs, any number of them with each statement.

/** The catalog's record of a blob's content, so that it is examined only once. */
export interface BlobRecord {
  digest: string;
  /** Bytes. */
  size: number;
  /** Its content, as JSON: the catalog does not read it. */
  content: string;
}

/** A blob to record. */
export interface BlobFound extends BlobRecord {
  /** Its fingerprint as a root of a metadata item, if it was computed. */
  fingerprint?: { metadata: string; fingerprint: string };
}

/** Those of the given digests that are recorded as blobs of the store. */
export async function recordedDigests(db: Kysely<Tables>, digests: readonly string[]): Promise<Set<string>> {
  const rows = await db
    .selectFrom('blobs')
    .select('digest')
    .where('digest', 'in', valuesOf(digests))
    .execute();
  return new Set(rows.map(({ digest }) => digest));
}

/** Records blobs. @returns the digests of those that were known before */
export async function insertBlobs(
  change: Change,
  blobs: readonly BlobFound[],
  now: Date,
): Promise<Set<string>> {
  const used_at = now.getTime();
  const rows = blobs.map(({ digest, size, content }) => ({ digest, size, content, used_at }));
  const columns = { digest: 'text', size: 'bigint', content: 'text', used_at: 'bigint' } as const;
  const { rows: added } = await sql<{ digest: string }>`
    ${insertRows('blobs', columns, rows)} on conflict (digest) do nothing returning digest
  `.execute(change.db);
  const known = new Set(blobs.map(({ digest }) => digest));
  for (const { digest } of added) known.delete(digest);
  if (known.size > 0) {
    const again = rowsOf(
      { digest: 'text', content: 'text' },
      blobs.filter(({ digest }) => known.has(digest)),
    );
    await sql`
      update blobs set content = rows.content, used_at = ${used_at} from ${again} where blobs.digest = rows.digest
    `.execute(change.db);
  }
  const fingerprints = blobs.flatMap(({ digest, fingerprint }) =>
    fingerprint === undefined ? [] : [{ ...fingerprint, root: digest }],
  );
  await insertFingerprints(change, fingerprints, now);
  return known;
}

/** Records who uploaded blobs. */
export async function insertUploads(
  change: Change,
  blobs: readonly { digest: string }[],
  uploader: string,
): Promise<void> {
  const rows = blobs.map(({ digest }) => ({ digest, uploader }));
  await sql`${insertRows('blob_uploads', { digest: 'text', uploader: 'text' }, rows)} on conflict do nothing`.execute(
    change.db,
  );
}

/** Forgets that a blob is in the store and who uploaded it. The fingerprints that it is part of stay true. */
export async function forgetBlob(change: Change, digest: string): Promise<void> {
  await change.db.deleteFrom('blobs').where('digest', '=', digest).execute();
  await change.db.deleteFrom('blob_uploads').where('digest', '=', digest).execute();
}
