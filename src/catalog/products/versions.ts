import { HeadwaterError } from '../../errors.ts';
import type { ProductRef } from '../../model/names.ts';
import type { ProductDetails, VersionDraft } from '../../model/versions.ts';
import { recordWithdrawal } from '../bundles/withdrawals.ts';
import type { AuditEvent } from '../database/audit-record.ts';
import type { Change } from '../database/change.ts';
import type { Database } from '../database/database.ts';
import { forgetDocuments } from '../evidence/document-rows.ts';
import type { Quotas } from '../quotas.ts';
import { ofSameFamily, removeEmptyAliases } from './alias-rows.ts';
import { forgetSources } from './blob-sources.ts';
import { ownNames, ownTarget } from './ownership.ts';
import { type AssertStored, type PublishOutcome, PublishQueue } from './publish.ts';
import { detailColumns } from './version-rows.ts';

/** Publishes and removes versions. */
export class Versions {
  readonly #database: Database;
  readonly #queue: PublishQueue;

  constructor(database: Database) {
    this.#database = database;
    this.#queue = new PublishQueue(database);
  }

  /**
   * Records a version, atomically.
   *
   * The same serial with the same files changes nothing and is `unchanged`, also when the version was removed and is
   * still fetchable: then it is back in the documents (`created`).
   * @param options.quotas limits for identities; versions that this machine publishes count towards none
   * @throws HeadwaterError `conflict`: the serial exists with other files, the product has another owner in the stream,
   * or an alias points to another product; `forbidden`; `too-large`; errors of `assertStored`
   */
  async publish(
    draft: VersionDraft,
    assertStored: AssertStored,
    { now = new Date(), quotas = {} }: { now?: Date; quotas?: Quotas } = {},
  ): Promise<PublishOutcome> {
    return await this.#queue.publish({ draft, assertStored, now, quotas });
  }

  /**
   * Changes the details of a product, without a new version.
   * @returns false when it belongs to another owner
   */
  async redescribe({ stream, name }: ProductRef, owner: string, details: ProductDetails): Promise<boolean> {
    return await this.#database.change(async (change) => {
      const { numUpdatedRows } = await change.db
        .updateTable('products')
        .set({ ...detailColumns(details), revision: await change.revision() })
        .where('stream', '=', stream)
        .where('name', '=', name)
        .where('owner', '=', owner)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    });
  }

  /**
   * Removes a version from the documents; its files stay fetchable until garbage collection forgets it.
   * @param options.withAliases with the last version, also removes the aliases that then point to nothing; a mirror
   * keeps them, because its versions may come back
   * @param options.withdraw why the version must not come back ({@link Withdrawals}); then it need not be in the documents
   * @throws HeadwaterError `not-found`, `forbidden`
   */
  async remove(
    { stream, name: product }: ProductRef,
    serial: string,
    now = new Date(),
    options: { withAliases?: boolean; withdraw?: string } = {},
  ): Promise<void> {
    const { withdraw: reason } = options;
    await this.#database.change(async (change) => {
      const withdraw = async () => {
        if (reason !== undefined)
          await recordWithdrawal(change, { stream, product, serial, at: now, reason });
      };
      const row = await change.db
        .selectFrom('versions')
        .innerJoin('products', 'products.id', 'versions.product_id')
        .select(['versions.id', 'versions.product_id', 'products.stream', 'products.owner'])
        .select(['products.os', 'products.release', 'products.architecture', 'products.variant'])
        .where('products.stream', '=', stream)
        .where('products.name', '=', product)
        .where('versions.serial', '=', serial)
        .where('versions.removed_at', 'is', null)
        .executeTakeFirst();
      if (row === undefined) {
        const holder =
          reason === undefined ? undefined : await findProduct(change.db, { stream, name: product });
        if (reason === undefined || holder === undefined) {
          throw new HeadwaterError('not-found', `product ${product} has no version ${serial}`);
        }
        await change.permit.demand('remove', { stream, names: ownNames(holder, []) });
        await withdraw();
        await change.audit(withdrawal({ stream, product, serial, reason }));
        return;
      }
      await change.permit.demand('remove', await ownTarget(change.db, row));
      await change.db
        .updateTable('versions')
        .set({ removed_at: now.getTime() })
        .where('id', '=', row.id)
        .execute();
      await change.db.deleteFrom('aliases').where('version_id', '=', row.id).execute();
      if (options.withAliases === true) await removeEmptyAliases(change, row);
      await change.db
        .updateTable('products')
        .set({ revision: await change.revision() })
        .where('id', '=', row.product_id)
        .execute();
      await withdraw();
      await change.audit(
        reason === undefined
          ? { action: 'version.remove', subject: `${product}@${serial}`, details: { stream } }
          : withdrawal({ stream, product, serial, reason }),
      );
    });
  }

  /**
   * The names of a mirror's versions at its upstream, also of removed versions that are still fetchable.
   * @returns the names by product
   */
  async upstreamNames(owner: string): Promise<Map<string, { serial: string; name: string | undefined }[]>> {
    const rows = await this.#database.reads
      .selectFrom('versions')
      .innerJoin('products', 'products.id', 'versions.product_id')
      .select(['products.name as product', 'versions.serial', 'versions.upstream_name'])
      .where('products.owner', '=', owner)
      .execute();
    const names = new Map<string, { serial: string; name: string | undefined }[]>();
    for (const { product, serial, upstream_name: name } of rows) {
      const known = names.get(product);
      const held = { serial, name: name ?? undefined };
      if (known === undefined) names.set(product, [held]);
      else known.push(held);
    }
    return names;
  }

  /** Removes deltas of a version from the documents: clients do not depend on them. */
  async removeDeltas(
    { stream, name: product }: ProductRef,
    serial: string,
    digests: string[],
  ): Promise<void> {
    await this.#database.change(async (change) => {
      await change.db
        .deleteFrom('items')
        .where('delta_base', 'is not', null)
        .where('digest', 'in', digests)
        .where('version_id', 'in', (select) =>
          select
            .selectFrom('versions')
            .innerJoin('products', 'products.id', 'versions.product_id')
            .select('versions.id')
            .where('products.stream', '=', stream)
            .where('products.name', '=', product)
            .where('versions.serial', '=', serial),
        )
        .execute();
      await change.db
        .updateTable('products')
        .set({ revision: await change.revision() })
        .where('stream', '=', stream)
        .where('name', '=', product)
        .execute();
    });
  }

  /**
   * Forgets versions that were removed before `before`, products and aliases that have nothing left, and documents that vouch
   * for no version.
   * @returns how many versions
   */
  async forget(before: Date): Promise<number> {
    return await this.#database.change(async (change) => {
      const { numDeletedRows } = await change.db
        .deleteFrom('versions')
        .where('removed_at', '<', before.getTime())
        .executeTakeFirst();
      await forgetSources(change, before);
      await forgetDocuments(change, { before });
      if (numDeletedRows === 0n) return 0;
      await forgetDeltas(change);
      await change.db
        .deleteFrom('products')
        .where('id', 'not in', (select) => select.selectFrom('versions').select('product_id'))
        .execute();
      await change.db
        .deleteFrom('aliases')
        .where(({ not, exists, selectFrom }) =>
          not(exists(selectFrom('products').select('products.id').where(ofSameFamily))),
        )
        .execute();
      return Number(numDeletedRows);
    });
  }
}

async function findProduct(db: Change['db'], { stream, name }: ProductRef) {
  return await db
    .selectFrom('products')
    .select(['owner', 'os', 'release', 'architecture', 'variant'])
    .where('stream', '=', stream)
    .where('name', '=', name)
    .executeTakeFirst();
}

/** The entry of a withdrawal in the audit log. */
function withdrawal({
  stream,
  product,
  serial,
  reason,
}: Record<'stream' | 'product' | 'serial' | 'reason', string>): AuditEvent {
  return { action: 'version.withdraw', subject: `${product}@${serial}`, details: { stream, reason } };
}

/** Forgets the deltas whose base is gone: clients can no longer use them. */
async function forgetDeltas(change: Change): Promise<void> {
  await change.db
    .deleteFrom('items')
    .where('delta_base', 'is not', null)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('versions')
            .innerJoin('versions as base', 'base.product_id', 'versions.product_id')
            .select('base.id')
            .whereRef('versions.id', '=', 'items.version_id')
            .whereRef('base.serial', '=', 'items.delta_base'),
        ),
      ),
    )
    .execute();
}
