import { type Kysely, type Selectable, sql } from 'kysely';
import * as z from 'zod';
import { defined } from '../../model/defined.ts';
import type { SignedBy } from '../../model/evidence.ts';
import type { Change } from '../database/change.ts';
import { jsonColumn, timeOf } from '../database/checked-column.ts';
import type { Tables } from '../database/tables.ts';

/** The content of the blob of a document, in the records of blobs. It is no file of a version. */
export const documentContent = JSON.stringify({ kind: 'document' });

/** A document of an upstream, as it is kept. */
export interface DocumentRecord {
  /** Whose versions refer to it: `mirror:NAME`. */
  owner: string;
  /** SHA-256 of its bytes as the upstream served them: of a clear-signed document with its signature. */
  sha256: string;
  /** The blob with these bytes, compressed by gzip. `size` is of the blob. */
  blob: { digest: string; size: number };
  /** Its detached signature, word for word; absent where it is clear-signed, or not signed. */
  signature?: Uint8Array;
  /** The name of the mirror that fetched it, perhaps at another site. */
  mirror: string;
  /** The address of the upstream that served it, without a slash at its end. */
  url: string;
  /** Below the address: `streams/v1/images.sjson`. */
  path: string;
  contentId: string;
  /** The time of its last change, as it says. */
  updated?: Date;
  signedAt?: Date;
  /** The keys of its good signatures; empty where signatures were not checked. */
  signedBy: SignedBy[];
  fetchedAt: Date;
}

/** A kept document. */
export interface KeptDocument extends DocumentRecord {
  id: number;
}

const readSignedBy = jsonColumn(
  'kept_documents.signed_by',
  z.array(z.looseObject({ fingerprint: z.string(), userId: z.string().exactOptional() })),
);

/** Reads a row of a document. */
export function toDocument(row: Selectable<Tables['kept_documents']>): KeptDocument {
  return {
    ...{ id: row.id, owner: row.owner, sha256: row.sha256 },
    blob: { digest: row.blob, size: row.blob_size },
    ...{ mirror: row.mirror, url: row.url, path: row.path, contentId: row.content_id },
    ...defined({
      signature: row.signature === null ? undefined : Buffer.from(row.signature, 'base64'),
      updated: timeOf(row.updated),
      signedAt: timeOf(row.signed_at),
    }),
    signedBy: readSignedBy(row.signed_by, row.id),
    fetchedAt: new Date(row.fetched_at),
  };
}

/** Inserts a document, or updates the one with the same bytes. @returns its id */
export async function putDocument(change: Change, document: DocumentRecord, now: Date): Promise<number> {
  const values = {
    ...{ owner: document.owner, sha256: document.sha256 },
    ...{ blob: document.blob.digest, blob_size: document.blob.size },
    signature: document.signature === undefined ? null : Buffer.from(document.signature).toString('base64'),
    ...{ mirror: document.mirror, url: document.url, path: document.path, content_id: document.contentId },
    updated: document.updated?.getTime() ?? null,
    signed_at: document.signedAt?.getTime() ?? null,
    signed_by: JSON.stringify(document.signedBy),
    fetched_at: document.fetchedAt.getTime(),
    used_at: now.getTime(),
  };
  const { id } = await change.db
    .insertInto('kept_documents')
    .values(values)
    .onConflict((conflict) => conflict.columns(['owner', 'sha256']).doUpdateSet(values))
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

/** How many of the newest bundles for a site keep their documents: a site may ask for each of them again. */
const bundlesToRepeat = 10;

/**
 * Forgets documents to which no version and no recent bundle refers. Their blobs are collected later.
 * @param which those of an owner, or those that no mirror has followed since `before`
 * @returns how many
 */
export async function forgetDocuments(
  change: Change,
  which: { owner: string } | { before: Date },
): Promise<number> {
  const { numDeletedRows } = await change.db
    .deleteFrom('kept_documents')
    .where(({ eb }) =>
      'owner' in which ? eb('owner', '=', which.owner) : eb('used_at', '<', which.before.getTime()),
    )
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('evidence')
            .select('evidence.version_id')
            .whereRef('evidence.document_id', '=', 'kept_documents.id'),
        ),
      ),
    )
    .where(
      sql<boolean>`not exists (
        select 1 from bundle_documents
        where bundle_documents.sha256 = kept_documents.sha256
        and bundle_documents.sequence >
          (select max(bundles.sequence) - ${bundlesToRepeat} from bundles where bundles.site = bundle_documents.site))`,
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
}

/** Whether a blob has the bytes of a kept document. */
export async function isDocumentBlob(db: Kysely<Tables>, digest: string): Promise<boolean> {
  const { rows } = await sql`select 1 from kept_documents where blob = ${digest} limit 1`.execute(db);
  return rows.length > 0;
}
