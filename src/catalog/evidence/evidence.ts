import type { VersionEvidence } from '../../model/evidence.ts';
import type { Database } from '../database/database.ts';
import { rowsOf } from '../database/json-rows.ts';
import { insertBlobs } from '../products/blob-rows.ts';
import {
  type DocumentRecord,
  documentContent,
  forgetDocuments,
  type KeptDocument,
  putDocument,
  toDocument,
} from './document-rows.ts';
import { type Provenance, putEvidence, readEvidence } from './evidence-rows.ts';

/** A version, with the evidence for it. */
export interface RecordedEvidence {
  stream: string;
  product: string;
  serial: string;
  evidence: VersionEvidence;
  /** When it was recorded first; now if omitted. */
  recordedAt?: Date;
}

/** What vouches for versions that came from elsewhere: the documents of upstreams, and which version each one lists. */
export class Evidence {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Records a document whose bytes were stored as a blob (`evidence/keep-document.ts` does both).
   * @param assertStored looks the blob up in the store, and throws when it is not there; runs inside the transaction
   * @returns the id of the document, for {@link VersionEvidence}
   */
  async keep(document: DocumentRecord, assertStored: () => Promise<void>, now = new Date()): Promise<number> {
    return await this.#database.grow(async (change) => {
      await insertBlobs(change, [{ ...document.blob, content: documentContent }], now);
      await assertStored();
      return await putDocument(change, document, now);
    });
  }

  /** Records the evidence for versions, in place of what was recorded for them. Versions that do not exist are left out. */
  async record(versions: readonly RecordedEvidence[], now = new Date()): Promise<void> {
    if (versions.length === 0) return;
    await this.#database.grow(async (change) => {
      const asked = rowsOf(
        { at: 'bigint', stream: 'text', product: 'text', serial: 'text' },
        versions.map(({ stream, product, serial }, at) => ({ at, stream, product, serial })),
      );
      const ids = await change.db
        .selectFrom(asked)
        .innerJoin('products', (join) =>
          join.onRef('products.name', '=', 'rows.product').onRef('products.stream', '=', 'rows.stream'),
        )
        .innerJoin('versions', (join) =>
          join.onRef('versions.product_id', '=', 'products.id').onRef('versions.serial', '=', 'rows.serial'),
        )
        .select(['versions.id', 'rows.at'])
        .execute();
      const rows = ids.flatMap(({ id, at }) => {
        const found = at === null ? undefined : versions[at];
        return found === undefined ? [] : [{ id, recordedAt: now, ...found }];
      });
      await putEvidence(change, rows);
    });
  }

  /** The evidence for a version; undefined when there is no such version, or it was removed. */
  async find(version: { stream: string; product: string; serial: string }): Promise<Provenance | undefined> {
    return (await this.ofProduct(version)).find(({ serial }) => serial === version.serial);
  }

  /** The versions of a product that are not removed, with the evidence for them. */
  async ofProduct({ stream, product }: { stream: string; product: string }): Promise<Provenance[]> {
    return await readEvidence(this.#database.reads, { stream, product });
  }

  /** The versions of an owner that are not removed, with the evidence for them. */
  async ofOwner(owner: string): Promise<Provenance[]> {
    return await readEvidence(this.#database.reads, { owner });
  }

  /** The kept documents of an owner, or of all. */
  async documents(owner?: string): Promise<KeptDocument[]> {
    const rows = await this.#database.reads
      .selectFrom('kept_documents')
      .selectAll()
      .$if(owner !== undefined, (select) => select.where('owner', '=', owner ?? ''))
      .orderBy('id')
      .execute();
    return rows.map(toDocument);
  }

  /** Whether an owner has a version for which no evidence was recorded. */
  async isLacking(owner: string): Promise<boolean> {
    const row = await this.#database.reads
      .selectFrom('versions')
      .innerJoin('products', 'products.id', 'versions.product_id')
      .leftJoin('evidence', 'evidence.version_id', 'versions.id')
      .select('versions.id')
      .where('products.owner', '=', owner)
      .where('versions.removed_at', 'is', null)
      .where('evidence.version_id', 'is', null)
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  }

  /**
   * Forgets the documents of an owner to which no version refers. The caller makes sure that nobody else records evidence of
   * this owner meanwhile.
   * @returns how many
   */
  async forgetUnused(owner: string): Promise<number> {
    return await this.#database.change((change) => forgetDocuments(change, { owner }));
  }
}
