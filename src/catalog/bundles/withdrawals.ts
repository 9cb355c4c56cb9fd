import type { Kysely } from 'kysely';
import { HeadwaterError } from '../../errors.ts';
import { inStream, productName } from '../../model/names.ts';
import type { VersionDraft } from '../../model/versions.ts';
import type { Change } from '../database/change.ts';
import type { Database } from '../database/database.ts';
import { valuesOf } from '../database/json-rows.ts';
import type { Tables } from '../database/tables.ts';

/** A version that an operator withdrew: it must not come back, neither here nor at the sites that bundles go to. */
export interface Withdrawal {
  stream: string;
  product: string;
  serial: string;
  at: Date;
  reason: string;
}

/** The versions that operators withdrew. `Versions.remove` adds to them. */
export class Withdrawals {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Those of some streams, in the order of products and serials. */
  async list(streams: readonly string[]): Promise<Withdrawal[]> {
    const rows = await this.#database.reads
      .selectFrom('withdrawn_versions')
      .selectAll()
      .where('stream', 'in', valuesOf(streams))
      .orderBy('stream')
      .orderBy('product')
      .orderBy('serial')
      .execute();
    return rows.map(({ withdrawn_at, ...row }) => ({ ...row, at: new Date(withdrawn_at) }));
  }
}

/** Records a withdrawal; an earlier one of the same version stays. */
export async function recordWithdrawal({ db }: Change, { at, ...version }: Withdrawal): Promise<void> {
  await db
    .insertInto('withdrawn_versions')
    .values({ ...version, withdrawn_at: at.getTime() })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** The serials of products that were withdrawn: {@link withdrawalKey}. @param products names, of any stream */
export async function withdrawnSerials(
  db: Kysely<Tables>,
  products: readonly string[],
): Promise<Set<string>> {
  const rows = await db
    .selectFrom('withdrawn_versions')
    .select(['stream', 'product', 'serial'])
    .where('product', 'in', valuesOf(products))
    .execute();
  return new Set(rows.map(withdrawalKey));
}

export function withdrawalKey({
  stream,
  product,
  serial,
}: Pick<Withdrawal, 'stream' | 'product' | 'serial'>): string {
  return `${inStream(stream, product)}@${serial}`;
}

/** @throws HeadwaterError `conflict` when the version was withdrawn */
export async function assertNotWithdrawn(
  db: Kysely<Tables>,
  draft: Pick<VersionDraft, 'stream' | 'product' | 'serial'>,
): Promise<void> {
  const { stream, serial } = draft;
  const product = productName(draft.product);
  const row = await db
    .selectFrom('withdrawn_versions')
    .select(['withdrawn_at', 'reason'])
    .where('stream', '=', stream)
    .where('product', '=', product)
    .where('serial', '=', serial)
    .executeTakeFirst();
  if (row === undefined) return;
  const date = new Date(row.withdrawn_at).toISOString().slice(0, 10);
  throw new HeadwaterError(
    'conflict',
    `version ${serial} of product ${product} was withdrawn on ${date} (${row.reason}): publish the image with a newer serial`,
    { fields: ['serial'] },
  );
}
