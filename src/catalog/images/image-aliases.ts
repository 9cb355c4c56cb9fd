import { HeadwaterError } from '../../errors.ts';
import type { Change } from '../database/change.ts';
import type { Database } from '../database/database.ts';
import { findAlias, findAliases, removeAlias, touchFamily } from '../products/alias-rows.ts';
import { ownTarget } from '../products/ownership.ts';
import { assertSameOwner } from '../products/visible-names.ts';
import { pointAlias } from './pushed-aliases.ts';
import { findPlaced, type VersionPlace } from './pushed-versions.ts';

/** Aliases as in the LXD API: each points to one image. `Aliases` has those that point to products. */
export class ImageAliases {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Points an alias to an image ({@link pointAlias}).
   * @param alias.from the stream in which it is moved, or out of which; otherwise no stream may have one of the name
   * @throws HeadwaterError `conflict` when it exists and may not be moved, or when another owner has it; `not-found`;
   * `forbidden` without a right to the alias or to the image's product
   */
  async set(
    alias: { name: string; description?: string; from?: string },
    place: VersionPlace,
    now = new Date(),
  ): Promise<void> {
    await this.#database.change(async (change) => {
      const version = await findPlaced(change.db, place);
      await change.permit.demand('publish', { stream: version.stream, names: [alias.name] });
      await change.permit.demand('publish', await ownTarget(change.db, version));
      if (alias.from === undefined) await assertNew(change, alias.name);
      else if (alias.from !== version.stream) {
        await demandAlias(change, alias.from, alias.name);
        await assertSameOwner(change, alias.name, { stream: alias.from, owner: version.owner });
        await removeAlias(change, alias.from, alias.name);
      }
      const { name, serial } = await pointAlias(change, alias, version, now);
      await change.audit({
        action: 'alias.set',
        subject: alias.name,
        details: { stream: version.stream, product: name, serial },
      });
    });
  }

  /**
   * Removes an alias. Documents keep it until {@link forget}, because clients remove an alias and set it again when
   * they move it.
   * @throws HeadwaterError `not-found`, `forbidden`
   */
  async remove(stream: string, name: string, now = new Date()): Promise<void> {
    await this.#database.change(async (change) => {
      await demandAlias(change, stream, name);
      await change.db
        .updateTable('aliases')
        .set({ removed_at: now.getTime() })
        .where('stream', '=', stream)
        .where('name', '=', name)
        .execute();
      await change.audit({ action: 'alias.remove', subject: name, details: { stream } });
    });
  }

  /**
   * Renames an alias; its target stays.
   * @throws HeadwaterError `not-found`; `forbidden`; `conflict` when the new name exists already
   */
  async rename(stream: string, name: string, newName: string): Promise<void> {
    await this.#database.change(async (change) => {
      const current = await demandAlias(change, stream, name);
      await change.permit.demand('publish', { stream, names: [newName] });
      await assertNew(change, newName);
      await removeAlias(change, stream, newName);
      await change.db
        .updateTable('aliases')
        .set({ name: newName })
        .where('stream', '=', stream)
        .where('name', '=', name)
        .execute();
      await touchFamily(change, current);
      await change.audit({ action: 'alias.rename', subject: name, details: { stream, name: newName } });
    });
  }

  /** Also removes from the documents aliases that were removed before `before`. @returns how many */
  async forget(before: Date): Promise<number> {
    const some = await this.#database.reads
      .selectFrom('aliases')
      .select('name')
      .where('removed_at', '<', before.getTime())
      .limit(1)
      .executeTakeFirst();
    if (some === undefined) return 0;
    return await this.#database.change(async (change) => {
      const gone = await change.db
        .deleteFrom('aliases')
        .where('removed_at', '<', before.getTime())
        .returningAll()
        .execute();
      for (const alias of gone) await touchFamily(change, alias);
      return gone.length;
    });
  }
}

/** An alias that the actor may change. */
async function demandAlias(change: Change, stream: string, name: string) {
  const current = await findAlias(change.db, stream, name);
  if (current === undefined) throw new HeadwaterError('not-found', 'Alias not found');
  await change.permit.demand('publish', { stream, names: [name] });
  return current;
}

/** Refuses a name that an alias of any stream has: a client may see both. */
async function assertNew(change: Change, name: string): Promise<void> {
  if ((await findAliases(change.db, name)).length === 0) return;
  throw new HeadwaterError('conflict', `Alias "${name}" already exists`);
}
