import { HeadwaterError } from '../../errors.ts';
import type { Family } from '../../model/names.ts';
import type { Database } from '../database/database.ts';
import {
  describeFamily,
  familyOwner,
  familyStreams,
  findAlias,
  giveAlias,
  removeAlias,
  sameFamily,
} from './alias-rows.ts';
import { aliasTargets } from './ownership.ts';
import { assertSameOwner, maySeeFamily, takenMessage } from './visible-names.ts';

export type { Family } from '../../model/names.ts';

export interface Alias extends Family {
  name: string;
  description: string;
  /** The one version that it is pinned to, of one of the products; without, it follows the newest of each. */
  pinned?: { product: string; serial: string };
  /** The names of the products it leads to. */
  products: string[];
  /** The streams they are in. */
  streams: string[];
}

/** Reads and moves aliases. */
export class Aliases {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @param options.shown only those that lead to a version which is not hidden */
  async list(options: { shown?: boolean } = {}): Promise<Alias[]> {
    return await this.#read(options);
  }

  async find(name: string): Promise<Alias | undefined> {
    return (await this.#read({ name }))[0];
  }

  async #read({ name, shown = false }: { name?: string; shown?: boolean }): Promise<Alias[]> {
    const rows = await this.#database.reads
      .selectFrom('aliases')
      .leftJoin('products', (join) =>
        join
          .onRef('aliases.os', '=', 'products.os')
          .onRef('aliases.release', '=', 'products.release')
          .onRef('aliases.variant', '=', 'products.variant'),
      )
      .leftJoin('versions', 'versions.id', 'aliases.version_id')
      .select(['aliases.name', 'aliases.os', 'aliases.release', 'aliases.variant', 'aliases.description'])
      .select(['products.name as product', 'products.stream', 'products.id as product_id'])
      .select(['versions.product_id as pinned_id', 'versions.serial'])
      .where('aliases.removed_at', 'is', null)
      .$if(name !== undefined, (select) => select.where('aliases.name', '=', name ?? ''))
      .$if(shown, (select) =>
        select.where(({ exists, selectFrom }) =>
          exists(
            selectFrom('versions as shown')
              .select('shown.id')
              .whereRef('shown.product_id', '=', 'products.id')
              .where('shown.removed_at', 'is', null)
              .where('shown.hidden', '=', 0)
              .where((where) =>
                where.or([
                  where('aliases.version_id', 'is', null),
                  where('shown.id', '=', where.ref('aliases.version_id')),
                ]),
              ),
          ),
        ),
      )
      .orderBy('aliases.name')
      .orderBy('products.name')
      .execute();
    const aliases = new Map<string, Alias>();
    for (const { product, stream, product_id, pinned_id, serial, ...row } of rows) {
      const alias: Alias = aliases.get(row.name) ?? { ...row, products: [], streams: [] };
      if (serial !== null && product !== null && product_id === pinned_id) alias.pinned = { product, serial };
      if (product !== null) alias.products.push(product);
      if (stream !== null && !alias.streams.includes(stream)) alias.streams.push(stream);
      aliases.set(row.name, alias);
    }
    return [...aliases.values()];
  }

  /**
   * Makes an alias lead to a family, from wherever it led before, in one step.
   * @throws HeadwaterError `not-found` when the family has no product; `conflict` when the alias leads to products
   * of another owner; `forbidden`
   */
  async set(name: string, family: Family): Promise<void> {
    await this.#database.change(async (change) => {
      const target = await familyOwner(change.db, family);
      if (target === undefined) {
        throw new HeadwaterError('not-found', `there is no product ${describeFamily(family)}`);
      }
      for (const wanted of await aliasTargets(change.db, name, family)) {
        await change.permit.demand('publish', wanted);
      }
      const current = await findAlias(change.db, name);
      if (current !== undefined && !(await maySeeFamily(change, current))) {
        throw new HeadwaterError('conflict', takenMessage(name));
      }
      for (const stream of current === undefined ? [] : await familyStreams(change.db, current)) {
        await change.permit.demand('publish', { stream, names: [name] });
      }
      await assertSameOwner(change, name, target);
      await removeAlias(change, name);
      await giveAlias(change, name, family);
      await change.audit({
        action: 'alias.set',
        subject: name,
        details: {
          to: describeFamily(family),
          ...(current === undefined ? {} : { from: describeFamily(current) }),
        },
      });
    });
  }

  /**
   * Makes the aliases of one owner lead where they shall: those that lead to products of the same owner are moved,
   * those that nobody has are given, and those of other owners are left alone.
   * @param wanted families by alias; one without a product of the owner is passed over
   * @param dropped aliases to take away where they lead to products of the owner
   * @returns how many were changed, and which ones another owner has
   */
  async follow(
    owner: string,
    wanted: ReadonlyMap<string, Family>,
    dropped: readonly string[],
  ): Promise<{ changed: number; withheld: { alias: string; owner: string }[] }> {
    const owners = new Map(
      (
        await this.#database.reads
          .selectFrom('products')
          .select(['os', 'release', 'variant', 'owner'])
          .execute()
      ).map((row) => [describeFamily(row), row.owner]),
    );
    const rows = await this.#database.reads.selectFrom('aliases').selectAll().execute();
    const current = new Map(rows.map((row) => [row.name, row]));
    const withheld: { alias: string; owner: string }[] = [];
    const moves: [string, Family][] = [];
    for (const [alias, family] of wanted) {
      if (owners.get(describeFamily(family)) !== owner) continue;
      const leads = current.get(alias);
      if (leads !== undefined && sameFamily(leads, family)) continue;
      const other = leads === undefined ? owner : owners.get(describeFamily(leads));
      if (other !== undefined && other !== owner) withheld.push({ alias, owner: other });
      else moves.push([alias, family]);
    }
    const gone = dropped.filter((alias) => {
      const leads = current.get(alias);
      return leads !== undefined && owners.get(describeFamily(leads)) === owner;
    });
    if (moves.length + gone.length === 0) return { changed: 0, withheld };
    await this.#database.change(async (change) => {
      for (const alias of gone) {
        await removeAlias(change, alias);
        await change.audit({ action: 'alias.unset', subject: alias });
      }
      for (const [alias, family] of moves) {
        // Somebody else may have taken it since.
        const leads = await findAlias(change.db, alias);
        const other = leads === undefined ? owner : ((await familyOwner(change.db, leads)) ?? owner);
        if (other !== owner) {
          withheld.push({ alias, owner: other });
          continue;
        }
        await removeAlias(change, alias);
        await giveAlias(change, alias, family);
        await change.audit({ action: 'alias.set', subject: alias, details: { to: describeFamily(family) } });
      }
    });
    return { changed: moves.length + gone.length, withheld };
  }

  /** @throws HeadwaterError `not-found`, `forbidden` */
  async unset(name: string): Promise<void> {
    await this.#database.change(async (change) => {
      const current = await findAlias(change.db, name);
      if (current === undefined || !(await maySeeFamily(change, current))) {
        throw new HeadwaterError('not-found', `there is no alias ${name}`);
      }
      for (const stream of await familyStreams(change.db, current)) {
        await change.permit.demand('publish', { stream, names: [name] });
      }
      await removeAlias(change, name);
      await change.audit({ action: 'alias.unset', subject: name });
    });
  }
}
