import { HeadwaterError } from '../../errors.ts';
import { ambiguous } from '../../model/ambiguous.ts';
import { defined } from '../../model/defined.ts';
import { type Family, inStream, type StreamFamily } from '../../model/names.ts';
import type { Change } from '../database/change.ts';
import type { Database } from '../database/database.ts';
import {
  describeFamily,
  describeStreamFamily,
  familyOwner,
  findAlias,
  findAliases,
  findRival,
  giveAlias,
  ofSameFamily,
  removeAlias,
  sameFamily,
} from './alias-rows.ts';
import { aliasTargets } from './ownership.ts';
import { assertSameOwner, maySeeFamily, takenMessage } from './visible-names.ts';

export type { Family } from '../../model/names.ts';

export interface Alias extends StreamFamily {
  /** Unique within the stream. */
  name: string;
  description: string;
  /** The one version that it is pinned to, of one of the products; without, it follows the newest of each. */
  pinned?: { product: string; serial: string };
  /** The names of the products to which it points, all in the stream. */
  products: string[];
}

/** A family; its stream may be omitted when only one stream has it. */
export type FamilyReference = Family & { stream?: string };

/** Reads and moves aliases. */
export class Aliases {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @param options.shown only those that point to a version which is not hidden */
  async list(options: { shown?: boolean } = {}): Promise<Alias[]> {
    return await this.#read(options);
  }

  /** The aliases of a name, one in each stream that has it. */
  async named(name: string): Promise<Alias[]> {
    return await this.#read({ name });
  }

  async #read({ name, shown = false }: { name?: string; shown?: boolean }): Promise<Alias[]> {
    const rows = await this.#database.reads
      .selectFrom('aliases')
      .leftJoin('products', (join) => join.on(ofSameFamily))
      .leftJoin('versions', 'versions.id', 'aliases.version_id')
      .select(['aliases.stream', 'aliases.name', 'aliases.os', 'aliases.release', 'aliases.variant'])
      .select(['aliases.description', 'products.name as product', 'products.id as product_id'])
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
      .orderBy('aliases.stream')
      .orderBy('products.name')
      .execute();
    const aliases = new Map<string, Alias>();
    for (const { product, product_id, pinned_id, serial, ...row } of rows) {
      const key = inStream(row.stream, row.name);
      const alias: Alias = aliases.get(key) ?? { ...row, products: [] };
      if (serial !== null && product !== null && product_id === pinned_id) alias.pinned = { product, serial };
      if (product !== null) alias.products.push(product);
      aliases.set(key, alias);
    }
    return [...aliases.values()];
  }

  /**
   * Points an alias of a stream to a family of the stream, whatever it pointed to before, in one step.
   * @throws HeadwaterError `not-found` when the family has no product; `conflict` when several streams have the family
   * and none is named, or when the alias points to products of another owner; `forbidden`
   */
  async set(name: string, reference: FamilyReference): Promise<void> {
    await this.#database.change(async (change) => {
      const { stream, owner } = await this.#demandFamily(change, reference);
      const { os, release, variant } = reference;
      const family = { stream, os, release, variant };
      for (const wanted of await aliasTargets(change.db, name, family)) {
        await change.permit.demand('publish', wanted);
      }
      const current = await findAlias(change.db, stream, name);
      if (current !== undefined && !(await maySeeFamily(change, current))) {
        throw new HeadwaterError('conflict', takenMessage(name));
      }
      await assertSameOwner(change, name, { stream, owner });
      await removeAlias(change, stream, name);
      await giveAlias(change, name, { ...family, owner });
      await change.audit({
        action: 'alias.set',
        subject: name,
        details: {
          stream,
          to: describeFamily(family),
          ...defined({ from: current && describeFamily(current) }),
        },
      });
    });
  }

  /** The only family that matches a reference, among those that the actor may see. */
  async #demandFamily(
    change: Change,
    reference: FamilyReference,
  ): Promise<{ stream: string; owner: string }> {
    const rows = await change.db
      .selectFrom('products')
      .select(({ fn }) => ['stream', fn.min('owner').as('owner')])
      .where('os', '=', reference.os)
      .where('release', '=', reference.release)
      .where('variant', '=', reference.variant)
      .$if(reference.stream !== undefined, (select) => select.where('stream', '=', reference.stream ?? ''))
      .groupBy('stream')
      .orderBy('stream')
      .execute();
    const seen = [];
    for (const row of rows) {
      if (await maySeeFamily(change, { ...reference, stream: row.stream })) seen.push(row);
    }
    const [only] = seen;
    if (only === undefined) {
      throw new HeadwaterError('not-found', `there is no product ${describeFamily(reference)}`);
    }
    if (seen.length > 1) throw ambiguous('product', describeFamily(reference), seen);
    return only;
  }

  /**
   * Sets the aliases of one owner in a stream: moves those that point to products of the same owner, creates missing
   * ones, and leaves those of other owners, in this stream or another, alone.
   * @param wanted families by alias; one without a product of the owner is skipped
   * @param dropped aliases to remove if they point to products of the owner
   * @returns the number of changed aliases, and those that belong to another owner
   */
  async follow(
    { owner, stream }: { owner: string; stream: string },
    wanted: ReadonlyMap<string, Family>,
    dropped: readonly string[],
  ): Promise<{ changed: number; withheld: { alias: string; owner: string }[] }> {
    const products = await this.#database.reads
      .selectFrom('products')
      .select(['stream', 'os', 'release', 'variant', 'owner'])
      .execute();
    const owners = new Map(products.map((row) => [describeStreamFamily(row), row.owner]));
    const rows = await this.#database.reads.selectFrom('aliases').selectAll().execute();
    const current = new Map(rows.filter((row) => row.stream === stream).map((row) => [row.name, row]));
    const withheld: { alias: string; owner: string }[] = [];
    const moves: [string, StreamFamily][] = [];
    for (const [alias, { os, release, variant }] of wanted) {
      const family = { stream, os, release, variant };
      if (owners.get(describeStreamFamily(family)) !== owner) continue;
      const existing = current.get(alias);
      if (existing !== undefined && sameFamily(existing, family)) continue;
      const other = rows
        .filter((row) => row.name === alias)
        .map((row) => owners.get(describeStreamFamily(row)))
        .find((has) => has !== undefined && has !== owner);
      if (other !== undefined) withheld.push({ alias, owner: other });
      else moves.push([alias, family]);
    }
    const gone = dropped.filter((alias) => {
      const existing = current.get(alias);
      return existing !== undefined && owners.get(describeStreamFamily(existing)) === owner;
    });
    if (moves.length + gone.length === 0) return { changed: 0, withheld };
    await this.#database.change(async (change) => {
      for (const alias of gone) {
        await removeAlias(change, stream, alias);
        await change.audit({ action: 'alias.unset', subject: alias, details: { stream } });
      }
      for (const [alias, family] of moves) {
        // Another change may have taken it since.
        const existing = await findAlias(change.db, stream, alias);
        const holder = existing === undefined ? owner : ((await familyOwner(change.db, existing)) ?? owner);
        const rival =
          holder === owner ? await findRival(change, alias, { stream, owner }) : { owner: holder };
        if (existing === undefined ? rival !== undefined : holder !== owner) {
          withheld.push({ alias, owner: rival?.owner ?? holder });
          continue;
        }
        await removeAlias(change, stream, alias);
        await giveAlias(change, alias, { ...family, owner });
        await change.audit({
          action: 'alias.set',
          subject: alias,
          details: { stream, to: describeFamily(family) },
        });
      }
    });
    return { changed: moves.length + gone.length, withheld };
  }

  /**
   * Removes an alias of a stream; the stream may be omitted when only one has it.
   * @throws HeadwaterError `not-found`; `conflict` when several streams have it and none is named; `forbidden`
   */
  async unset(name: string, stream?: string): Promise<void> {
    await this.#database.change(async (change) => {
      const seen = [];
      for (const alias of await findAliases(change.db, name)) {
        if (stream !== undefined && alias.stream !== stream) continue;
        if (await maySeeFamily(change, alias)) seen.push(alias);
      }
      const [only] = seen;
      if (only === undefined) throw new HeadwaterError('not-found', `there is no alias ${name}`);
      if (seen.length > 1) throw ambiguous('alias', name, seen);
      await change.permit.demand('publish', { stream: only.stream, names: [name] });
      await removeAlias(change, only.stream, name);
      await change.audit({ action: 'alias.unset', subject: name, details: { stream: only.stream } });
    });
  }
}
