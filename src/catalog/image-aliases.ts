import { HeadwaterError } from '../errors.ts';
import { findAlias, removeAlias, touchFamily } from './aliases.ts';
import type { Database } from './database.ts';
import { pointAlias } from './pushed-aliases.ts';
import { findPlaced, type VersionPlace } from './pushed-versions.ts';

/** Aliases as the LXD API has them: each leads to one image. `Aliases` has those that lead to products. */
export class ImageAliases {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Makes an alias lead to an image ({@link pointAlias}).
   * @param alias.mayMove whether it may lead elsewhere now
   * @throws HeadwaterError `conflict` when it exists and may not be moved, or when another owner has it; `not-found`
   */
  async set(
    alias: { name: string; description?: string; mayMove: boolean },
    place: VersionPlace,
    now = new Date(),
  ): Promise<void> {
    await this.#database.change(async (transaction, revision, note) => {
      if (!alias.mayMove && (await findAlias(transaction, alias.name)) !== undefined) {
        throw new HeadwaterError('conflict', `Alias "${alias.name}" already exists`);
      }
      const version = await findPlaced(transaction, place);
      const { name, serial } = await pointAlias(transaction, alias, version, { revision, now });
      await note({ action: 'alias.set', subject: alias.name, details: { product: name, serial } });
    });
  }

  /**
   * Removes an alias. Documents keep it until {@link forget}, because removing and setting anew is how clients
   * move it.
   * @throws HeadwaterError `not-found`
   */
  async remove(name: string, now = new Date()): Promise<void> {
    await this.#database.change(async (transaction, _revision, note) => {
      const { numUpdatedRows } = await transaction
        .updateTable('aliases')
        .set({ removed_at: now.getTime() })
        .where('name', '=', name)
        .where('removed_at', 'is', null)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) throw new HeadwaterError('not-found', 'Alias not found');
      await note({ action: 'alias.remove', subject: name });
    });
  }
  /**
   * Gives an alias another name; where it leads stays.
   * @throws HeadwaterError `not-found`; `conflict` when the new name is there already
   */
  async rename(name: string, newName: string): Promise<void> {
    await this.#database.change(async (transaction, revision, note) => {
      const current = await findAlias(transaction, name);
      if (current === undefined) throw new HeadwaterError('not-found', 'Alias not found');
      if ((await findAlias(transaction, newName)) !== undefined) {
        throw new HeadwaterError('conflict', `Alias "${newName}" already exists`);
      }
      await removeAlias(transaction, newName, revision);
      await transaction.updateTable('aliases').set({ name: newName }).where('name', '=', name).execute();
      await touchFamily(transaction, current, revision);
      await note({ action: 'alias.rename', subject: name, details: { name: newName } });
    });
  }

  /** Takes aliases that were removed before `before` out of the documents, too. @returns how many */
  async forget(before: Date): Promise<number> {
    const some = await this.#database.reads
      .selectFrom('aliases')
      .select('name')
      .where('removed_at', '<', before.getTime())
      .limit(1)
      .executeTakeFirst();
    if (some === undefined) return 0;
    return await this.#database.change(async (transaction, revision) => {
      const gone = await transaction
        .deleteFrom('aliases')
        .where('removed_at', '<', before.getTime())
        .returningAll()
        .execute();
      for (const alias of gone) await touchFamily(transaction, alias, revision);
      return gone.length;
    });
  }
}
