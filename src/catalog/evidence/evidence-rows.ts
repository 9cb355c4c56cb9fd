import { type Kysely, type Selectable, sql } from 'kysely';
import * as z from 'zod';
import { defined } from '../../model/defined.ts';
import { type Proof, proofs, type VersionEvidence } from '../../model/evidence.ts';
import type { Change } from '../database/change.ts';
import { jsonColumn, wordColumn } from '../database/checked-column.ts';
import { insertRows } from '../database/json-rows.ts';
import type { Tables } from '../database/tables.ts';
import { type KeptDocument, toDocument } from './document-rows.ts';

/** A version with what vouches for it. */
export interface Provenance extends Omit<VersionEvidence, 'document' | 'proof'> {
  stream: string;
  product: string;
  serial: string;
  /** `mirror:NAME` of a mirrored or imported version. */
  owner: string;
  /** The name of the version at the upstream. */
  upstreamName?: string;
  /** Absent where nothing was recorded: the version was published here, or mirrored by an earlier release. */
  proof?: Proof;
  document?: KeptDocument;
  /** When the evidence was recorded: where `servedBy` is known, when the bytes were fetched. */
  recordedAt?: Date;
}

const readProof = wordColumn('evidence.proof', proofs);
const readBundle = jsonColumn(
  'evidence.bundle',
  z.looseObject({
    identity: z.string(),
    sequence: z.number(),
    site: z.string(),
    signer: z.string().exactOptional(),
    operator: z.string(),
  }),
);

const columns = {
  version_id: 'bigint',
  document_id: 'bigint',
  proof: 'text',
  upstream_product: 'text',
  served_by: 'text',
  bundle: 'text',
  recorded_at: 'bigint',
} as const;

/** Records the evidence for versions, by their ids, in place of what was recorded. */
export async function putEvidence(
  change: Change,
  versions: readonly { id: number; evidence: VersionEvidence; recordedAt: Date }[],
): Promise<void> {
  if (versions.length === 0) return;
  const rows = versions.map(({ id, evidence, recordedAt }) => ({
    version_id: id,
    document_id: evidence.document ?? null,
    proof: evidence.proof,
    upstream_product: evidence.upstreamProduct ?? null,
    served_by: evidence.servedBy ?? null,
    bundle: evidence.bundle === undefined ? null : JSON.stringify(evidence.bundle),
    recorded_at: recordedAt.getTime(),
  }));
  const updates = sql.raw(
    Object.keys(columns)
      .filter((column) => column !== 'version_id')
      .map((column) => `${column} = excluded.${column}`)
      .join(),
  );
  await sql`${insertRows('evidence', columns, rows)} on conflict (version_id) do update set ${updates}`.execute(
    change.db,
  );
}

/** The evidence for the versions that are not removed, with the documents. @param which of an owner, or of a product */
export async function readEvidence(
  db: Kysely<Tables>,
  which: { owner: string } | { stream: string; product: string },
): Promise<Provenance[]> {
  const rows = await db
    .selectFrom('versions')
    .innerJoin('products', 'products.id', 'versions.product_id')
    .leftJoin('evidence', 'evidence.version_id', 'versions.id')
    .select(['products.stream', 'products.name as product', 'products.owner'])
    .select(['versions.serial', 'versions.upstream_name', 'evidence.document_id', 'evidence.proof'])
    .select(['evidence.upstream_product', 'evidence.served_by', 'evidence.bundle', 'evidence.recorded_at'])
    .where('versions.removed_at', 'is', null)
    .where(({ eb, and }) =>
      'owner' in which
        ? eb('products.owner', '=', which.owner)
        : and([eb('products.stream', '=', which.stream), eb('products.name', '=', which.product)]),
    )
    .orderBy('products.name')
    .orderBy('versions.serial')
    .execute();
  const documents = await readDocuments(
    db,
    rows.flatMap(({ document_id: id }) => id ?? []),
  );
  return rows.map((row) => ({
    ...{ stream: row.stream, product: row.product, serial: row.serial, owner: row.owner },
    ...defined({
      upstreamName: row.upstream_name ?? undefined,
      proof: row.proof === null ? undefined : readProof(row.proof, `${row.product}@${row.serial}`),
      document: row.document_id === null ? undefined : documents.get(row.document_id),
      upstreamProduct: row.upstream_product ?? undefined,
      servedBy: row.served_by ?? undefined,
      bundle: readBundle(row.bundle, `${row.product}@${row.serial}`),
      recordedAt: row.recorded_at === null ? undefined : new Date(row.recorded_at),
    }),
  }));
}

async function readDocuments(db: Kysely<Tables>, ids: readonly number[]): Promise<Map<number, KeptDocument>> {
  const documents = new Map<number, KeptDocument>();
  for (const id of new Set(ids)) {
    const row: Selectable<Tables['kept_documents']> | undefined = await db
      .selectFrom('kept_documents')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    if (row !== undefined) documents.set(id, toDocument(row));
  }
  return documents;
}
