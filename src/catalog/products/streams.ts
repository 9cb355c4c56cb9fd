import { HeadwaterError } from '../../errors.ts';
import { suggest } from '../../suggestion.ts';
import type { Database } from '../database/database.ts';

/** Streams that need no configuration. */
export const defaultStream = 'images';

/** Which streams exist. A stream has no record of its own: it exists where something names it. */
export class Streams {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The streams that products are in, and those that tokens and clients were given, in order. */
  async list(): Promise<string[]> {
    const { reads } = this.#database;
    const inUse = await reads.selectFrom('products').select('stream').distinct().execute();
    const granted = await Promise.all(
      (['tokens', 'clients'] as const).map(
        async (table) =>
          await reads
            .selectFrom(table)
            .select('streams')
            .distinct()
            .where('streams', 'is not', null)
            .where('revoked_at', 'is', null)
            .execute(),
      ),
    );
    const named = granted.flat().flatMap(({ streams }) => JSON.parse(streams ?? '[]') as string[]);
    return [...new Set([...inUse.map(({ stream }) => stream), ...named])].sort();
  }

  /**
   * Checks that streams exist, so that a mistyped name makes no new one.
   * @param options.configured those that the configuration names
   * @param options.mayName whether the error may name other streams
   * @throws HeadwaterError `usage`, naming the first that does not
   */
  async demand(
    names: readonly string[],
    options: { configured: Iterable<string>; mayName: boolean },
  ): Promise<void> {
    const configured = new Set([defaultStream, ...options.configured]);
    if (names.every((name) => configured.has(name))) return;
    const all = new Set([...configured, ...(await this.list())]);
    const missing = names.find((name) => !all.has(name));
    if (missing === undefined) return;
    const near = options.mayName ? suggest(missing, all) : undefined;
    const advice = near === undefined ? 'check the name' : `did you mean ${near}?`;
    const known = options.mayName ? `; the streams are ${[...all].sort().join(', ')}` : '';
    throw new HeadwaterError(
      'usage',
      `stream ${JSON.stringify(missing)} does not exist: ${advice}${near === undefined ? ', or' : ' To'} create it with --create-stream (createStream in the API)${known}`,
    );
  }
}
