import type { Transaction } from 'kysely';
import { HeadwaterError } from '../errors.ts';
import { assertFree, giveAlias } from './aliases.ts';
import type { Database } from './database.ts';
import type { Item, ProductDetails, VersionDraft } from './model.ts';
import { productName } from './names.ts';
import { toItem } from './products.ts';
import { forgetSources } from './sources.ts';
import type { Tables } from './tables.ts';

/**
 * Looks a blob up in the store and throws when it is not there whole. Runs inside the transaction that names the
 * blob, which is what keeps garbage collection from removing it at the same moment.
 */
export type AssertStored = (blob: { digest: string; size: number }) => Promise<void>;

export interface PublishOutcome {
  outcome: 'created' | 'unchanged';
  /** Aliases that every product gets but that lead to another one: left out. */
  withheldAliases: { alias: string; owner: string }[];
}

/** Publishes versions and takes them out again. */
export class Versions {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Records a version, all of it or nothing.
   *
   * The same serial with the same files changes nothing and is `unchanged`, also when the version was removed and
   * is still fetchable: then it is back in the documents (`created`).
   * @param implied aliases that are left out, not refused, when another product has them
   * @throws HeadwaterError `conflict`: the serial exists with other files, the product belongs to another stream or
   * owner, or an alias leads to another product; and whatever `assertStored` throws
   */
  async publish(
    draft: VersionDraft,
    implied: string[],
    assertStored: AssertStored,
    now = new Date(),
  ): Promise<PublishOutcome> {
    return await this.#database.change(async (transaction, revision) => {
      const product = await this.#claimProduct(transaction, draft);
      const existing = await findVersion(transaction, product.id, draft.serial);
      if (existing !== undefined) {
        assertSameFiles(draft, existing.items);
        if (existing.removed_at === null) return { outcome: 'unchanged', withheldAliases: [] };
      }
      for (const alias of draft.aliases) await assertFree(transaction, alias, draft.product);
      for (const item of draft.items) await assertStored(item);

      const withheldAliases = [];
      for (const alias of new Set([...draft.aliases, ...implied])) {
        const owner = await giveAlias(transaction, alias, draft.product, revision);
        if (owner !== undefined) withheldAliases.push({ alias, owner });
      }
      await updateProduct(transaction, product.id, draft, revision);
      if (existing !== undefined) {
        await transaction
          .updateTable('versions')
          .set({ removed_at: null })
          .where('id', '=', existing.id)
          .execute();
      } else {
        await insertVersion(transaction, product.id, draft, now);
      }
      return { outcome: 'created', withheldAliases };
    });
  }

  /**
   * Changes what is said of a product, without a new version of it.
   * @returns false when it is not the owner's
   */
  async redescribe(product: string, owner: string, details: ProductDetails): Promise<boolean> {
    return await this.#database.change(async (transaction, revision) => {
      const { numUpdatedRows } = await transaction
        .updateTable('products')
        .set({ ...detailColumns(details), revision })
        .where('name', '=', product)
        .where('owner', '=', owner)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    });
  }

  /**
   * Takes a version out of the documents; its files stay fetchable until garbage collection forgets it.
   * @throws HeadwaterError `not-found`
   */
  async remove(product: string, serial: string, now = new Date()): Promise<void> {
    await this.#database.change(async (transaction, revision) => {
      const row = await transaction
        .selectFrom('versions')
        .innerJoin('products', 'products.id', 'versions.product_id')
        .select(['versions.id', 'versions.product_id'])
        .where('products.name', '=', product)
        .where('versions.serial', '=', serial)
        .where('versions.removed_at', 'is', null)
        .executeTakeFirst();
      if (row === undefined) {
        throw new HeadwaterError('not-found', `product ${product} has no version ${serial}`);
      }
      await transaction
        .updateTable('versions')
        .set({ removed_at: now.getTime() })
        .where('id', '=', row.id)
        .execute();
      await transaction.updateTable('products').set({ revision }).where('id', '=', row.product_id).execute();
    });
  }

  /**
   * Forgets versions that were removed before `before`, and products and aliases that have nothing left.
   * @returns how many versions
   */
  async forget(before: Date): Promise<number> {
    return await this.#database.change(async (transaction) => {
      const { numDeletedRows } = await transaction
        .deleteFrom('versions')
        .where('removed_at', '<', before.getTime())
        .executeTakeFirst();
      await forgetSources(transaction, before);
      if (numDeletedRows === 0n) return 0;
      await forgetDeltas(transaction);
      await transaction
        .deleteFrom('products')
        .where('id', 'not in', (select) => select.selectFrom('versions').select('product_id'))
        .execute();
      await transaction
        .deleteFrom('aliases')
        .where(({ not, exists, selectFrom }) =>
          not(
            exists(
              selectFrom('products')
                .select('products.id')
                .whereRef('products.os', '=', 'aliases.os')
                .whereRef('products.release', '=', 'aliases.release')
                .whereRef('products.variant', '=', 'aliases.variant'),
            ),
          ),
        )
        .execute();
      return Number(numDeletedRows);
    });
  }

  async #claimProduct(transaction: Transaction<Tables>, draft: VersionDraft): Promise<{ id: number }> {
    const name = productName(draft.product);
    const row = await transaction
      .selectFrom('products')
      .select(['id', 'stream', 'owner'])
      .where('name', '=', name)
      .executeTakeFirst();
    if (row === undefined) {
      return await transaction
        .insertInto('products')
        .values({
          name,
          ...draft.product,
          stream: draft.stream,
          owner: draft.owner,
          os_title: draft.details.osTitle,
          release_title: draft.details.releaseTitle,
          support_eol: null,
          requirements: '{}',
          revision: 0,
        })
        .returning('id')
        .executeTakeFirstOrThrow();
    }
    if (row.stream !== draft.stream) {
      throw new HeadwaterError(
        'conflict',
        `product ${name} belongs to the stream ${row.stream}: publish it there, or give it another variant`,
      );
    }
    if (row.owner !== draft.owner) {
      throw new HeadwaterError(
        'conflict',
        `product ${name} is owned by ${row.owner}: publish under another os, release or variant`,
      );
    }
    return row;
  }
}

async function findVersion(transaction: Transaction<Tables>, productId: number, serial: string) {
  const row = await transaction
    .selectFrom('versions')
    .select(['id', 'removed_at'])
    .where('product_id', '=', productId)
    .where('serial', '=', serial)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const items = await transaction.selectFrom('items').selectAll().where('version_id', '=', row.id).execute();
  return { ...row, items: items.map(toItem) };
}

/** Forgets the deltas whose base is gone: nobody can use them any more. */
async function forgetDeltas(transaction: Transaction<Tables>): Promise<void> {
  await transaction
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

function assertSameFiles(draft: VersionDraft, existing: Item[]): void {
  const list = (items: Item[]) =>
    items
      .filter((item) => item.deltaBase === undefined)
      .map((item) => `${item.type} ${item.digest}`)
      .sort();
  const [given, had] = [list(draft.items), list(existing)];
  if (given.join() === had.join()) return;
  throw new HeadwaterError(
    'conflict',
    `product ${productName(draft.product)} already has a version ${draft.serial} with other files: ` +
      'a published version never changes, publish under a newer serial (--serial)',
  );
}

async function updateProduct(
  transaction: Transaction<Tables>,
  id: number,
  draft: VersionDraft,
  revision: number,
): Promise<void> {
  await transaction
    .updateTable('products')
    .set({ ...detailColumns(draft.details), revision })
    .where('id', '=', id)
    .execute();
}

function detailColumns(details: ProductDetails) {
  return {
    os_title: details.osTitle,
    release_title: details.releaseTitle,
    support_eol: details.supportEol ?? null,
    requirements: JSON.stringify(details.requirements),
  };
}

async function insertVersion(
  transaction: Transaction<Tables>,
  productId: number,
  draft: VersionDraft,
  now: Date,
): Promise<void> {
  const { id } = await transaction
    .insertInto('versions')
    .values({
      product_id: productId,
      serial: draft.serial,
      label: draft.label,
      published_at: now.getTime(),
      removed_at: null,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await transaction
    .insertInto('items')
    .values(
      draft.items.map((item) => ({
        version_id: id,
        file: item.file,
        type: item.type,
        digest: item.digest,
        size: item.size,
        fingerprint: item.fingerprint ?? null,
        delta_base: item.deltaBase ?? null,
      })),
    )
    .execute();
}
