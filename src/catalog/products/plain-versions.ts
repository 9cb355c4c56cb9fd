import type { Kysely } from 'kysely';
import { inStream, productName, type StreamFamily } from '../../model/names.ts';
import type { VersionDraft } from '../../model/versions.ts';
import { withdrawalKey, withdrawnSerials } from '../bundles/withdrawals.ts';
import { rowsOf, valuesOf } from '../database/json-rows.ts';
import type { Tables } from '../database/tables.ts';
import { sameFamily } from './alias-rows.ts';
import { versionKey } from './version-rows.ts';

/**
 * Tells which versions of a group need no decision: those that only add a version to a product that exists, has their
 * aliases, and is the publisher's. What it knows is read for all of them with a few statements.
 */
export class PlainVersions {
  /** By name and stream. */
  readonly #products: Map<string, { id: number; owner: string }>;
  /** The families that aliases point to, by alias and stream. */
  readonly #families: Map<string, StreamFamily>;
  /** The versions that exist, also those that were removed ({@link versionKey}). */
  readonly #taken: Set<string>;
  /** {@link withdrawalKey} */
  readonly #withdrawn: ReadonlySet<string>;

  private constructor(
    products: Map<string, { id: number; owner: string }>,
    families: Map<string, StreamFamily>,
    { taken, withdrawn }: { taken: Set<string>; withdrawn: ReadonlySet<string> },
  ) {
    this.#withdrawn = withdrawn;
    this.#products = products;
    this.#families = families;
    this.#taken = taken;
  }

  /** Reads what is known of some versions and what they would be added to. */
  static async read(db: Kysely<Tables>, drafts: readonly VersionDraft[]): Promise<PlainVersions> {
    const names = unique(drafts.map(({ product }) => productName(product)));
    const products = await productsNamed(db, names);
    const withdrawn = await withdrawnSerials(db, names);
    const families = await familiesOf(db, unique(drafts.flatMap(aliasNames)));
    const keys = drafts.flatMap((draft) => {
      const product_id = products.get(placeOf(draft))?.id;
      return product_id === undefined ? [] : [{ product_id, serial: draft.serial }];
    });
    return new PlainVersions(products, families, { taken: await versionsTaken(db, keys), withdrawn });
  }

  /** The id of the product that a version is added to; undefined when it needs a decision. */
  productOf(draft: VersionDraft): number | undefined {
    const { stream, serial, owner } = draft;
    const product = this.#products.get(placeOf(draft));
    if (product === undefined || product.owner !== owner || draft.serialIsDerived === true) return undefined;
    if (this.#taken.has(versionKey({ productId: product.id, serial }))) return undefined;
    if (this.#withdrawn.has(withdrawalKey({ stream, product: productName(draft.product), serial }))) {
      return undefined;
    }
    const isGiven = (alias: string) => {
      const family = this.#families.get(inStream(stream, alias));
      return family !== undefined && sameFamily(family, { stream, ...draft.product });
    };
    return aliasNames(draft).every(isGiven) ? product.id : undefined;
  }

  /** Takes note of a version that is about to be inserted, and of its aliases. */
  add(draft: VersionDraft, productId: number, withheld: readonly string[]): void {
    const { stream, owner, serial } = draft;
    this.#products.set(placeOf(draft), { id: productId, owner });
    this.#taken.add(versionKey({ productId, serial }));
    for (const alias of aliasNames(draft)) {
      if (!withheld.includes(alias))
        this.#families.set(inStream(stream, alias), { stream, ...draft.product });
    }
  }
}

/** All aliases that a version should have. */
export function aliasNames({ aliases }: Pick<VersionDraft, 'aliases'>): string[] {
  return unique(aliases.map(({ name }) => name));
}

function placeOf({ stream, product }: VersionDraft): string {
  return inStream(stream, productName(product));
}

async function productsNamed(db: Kysely<Tables>, names: string[]) {
  const rows = await db
    .selectFrom('products')
    .select(['id', 'name', 'stream', 'owner'])
    .where('name', 'in', valuesOf(names))
    .execute();
  return new Map(rows.map((row) => [inStream(row.stream, row.name), row]));
}

/** The families that aliases point to. */
async function familiesOf(db: Kysely<Tables>, aliases: string[]): Promise<Map<string, StreamFamily>> {
  const rows = await db
    .selectFrom('aliases')
    .select(['stream', 'name', 'os', 'release', 'variant'])
    .where('name', 'in', valuesOf(aliases))
    .where('removed_at', 'is', null)
    .execute();
  return new Map(rows.map((row) => [inStream(row.stream, row.name), row]));
}

/** Which of some versions exist, also those that were removed. */
async function versionsTaken(
  db: Kysely<Tables>,
  keys: readonly { product_id: number; serial: string }[],
): Promise<Set<string>> {
  const rows = await db
    .selectFrom(rowsOf({ product_id: 'bigint', serial: 'text' }, keys))
    .innerJoin('versions', (join) =>
      join.onRef('versions.product_id', '=', 'rows.product_id').onRef('versions.serial', '=', 'rows.serial'),
    )
    .select(['versions.product_id as productId', 'versions.serial'])
    .execute();
  return new Set(rows.map(versionKey));
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
