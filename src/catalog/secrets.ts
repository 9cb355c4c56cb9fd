import { randomBytes } from 'node:crypto';
import type { Database } from './database/database.ts';

/** The secrets that a catalog keeps, by name. */
type SecretName = 'bearer-tokens';

/** Random secrets that all servers of a catalog share and that outlive their processes. */
export class Secrets {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** A secret of 256 random bits in hexadecimal, made when it is first asked for. */
  async of(name: SecretName): Promise<string> {
    const known = await this.#find(name);
    if (known !== undefined) return known;
    await this.#database.change(async (change) => {
      await change.db
        .insertInto('secrets')
        .values({ name, value: randomBytes(32).toString('hex') })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    });
    const made = await this.#find(name);
    if (made === undefined) throw new Error(`the secret ${name} was not recorded`);
    return made;
  }

  async #find(name: SecretName): Promise<string | undefined> {
    const row = await this.#database.reads
      .selectFrom('secrets')
      .select('value')
      .where('name', '=', name)
      .executeTakeFirst();
    return row?.value;
  }
}
