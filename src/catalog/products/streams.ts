import { HeadwaterError } from '../../errors.ts';
import { suggest } from '../../suggestion.ts';
import type { Database } from '../database/database.ts';
import { grantedStreams } from '../identities/rights-columns.ts';

/** Streams that need no configuration. */
export const defaultStream = 'images';

/** The streams that exist. A stream has no record of its own: it exists if something names it. */
export class Streams {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The streams of products, and the streams in rights of tokens and clients, sorted. */
  async list(): Promise<string[]> {
    const { reads } = this.#database;
    const inUse = await reads.selectFrom('products').select('stream').distinct().execute();
    const granted = await Promise.all(
      (['tokens', 'clients'] as const).map(async (table) =>
        (
          await reads
            .selectFrom(table)
            .select(['id', 'streams'])
            .where('streams', 'is not', null)
            .where('revoked_at', 'is', null)
            .execute()
        ).flatMap((row) => grantedStreams(table, row) ?? []),
      ),
    );
    return [...new Set([...inUse.map(({ stream }) => stream), ...granted.flat()])].sort();
  }

  /**
   * Checks that streams exist, so that a mistyped name makes no new one.
   * @param options.configured those that the configuration names
   * @param options.mayName whether the error may name other streams
   * @param options.isVisible whether the caller may know that a stream exists; all are visible if omitted
   * @throws HeadwaterError `usage`, naming the first that does not exist or is not visible
   */
  async demand(
    names: readonly string[],
    options: {
      configured: Iterable<string>;
      mayName: boolean;
      isVisible?: (stream: string) => Promise<boolean>;
    },
  ): Promise<void> {
    const configured = new Set([defaultStream, ...options.configured]);
    const isVisible = await Promise.all(names.map((name) => options.isVisible?.(name) ?? true));
    if (names.every((name, index) => configured.has(name) && isVisible[index])) return;
    const all = new Set([...configured, ...(await this.list())]);
    const missing = names.find((name, index) => !all.has(name) || !isVisible[index]);
    if (missing === undefined) return;
    const near = options.mayName ? suggest(missing, all) : undefined;
    const advice = near === undefined ? 'check the name, or' : `did you mean ${near}? If not,`;
    const known = options.mayName ? `; the streams are ${[...all].sort().join(', ')}` : '';
    throw new HeadwaterError(
      'usage',
      `stream ${JSON.stringify(missing)} does not exist${options.mayName ? '' : ' or is not visible to you'}: ${advice} create it with createStream${known}`,
      { fields: ['createStream'] },
    );
  }
}
