import { createHash, randomBytes } from 'node:crypto';
import type { Selectable } from 'kysely';
import { HeadwaterError } from '../errors.ts';
import type { Database } from './database.ts';
import type { Tables } from './tables.ts';

/** What a token may allow. `admin` allows everything, tokens included. */
export const actions = ['read', 'publish', 'remove', 'admin'] as const;
export type Action = (typeof actions)[number];

/** A bearer token, without its secret: only its hash is kept. */
export interface Token {
  id: string;
  name: string;
  actions: Action[];
  /** The streams it is for; all when absent. */
  streams?: string[];
  createdAt: Date;
  expiresAt?: Date;
  lastUsedAt?: Date;
  revokedAt?: Date;
}

/** How often `lastUsedAt` is written at most, in milliseconds: a busy token must not mean a write per request. */
const lastUsedPrecision = 60_000;

/** Makes, checks and revokes tokens. */
export class Tokens {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Makes a token.
   * @returns it, with its secret, which can never be read again
   * @throws HeadwaterError `conflict` when a token of that name is in force
   */
  async create(
    options: { name: string; actions: Action[]; streams?: string[]; expiresAt?: Date },
    now = new Date(),
  ): Promise<{ token: Token; secret: string }> {
    const secret = `hw_${randomBytes(32).toString('base64url')}`;
    const id = randomBytes(6).toString('hex');
    const row = {
      id,
      name: options.name,
      hash: hashOf(secret),
      actions: JSON.stringify(options.actions),
      streams: options.streams === undefined ? null : JSON.stringify(options.streams),
      created_at: now.getTime(),
      expires_at: options.expiresAt?.getTime() ?? null,
      last_used_at: null,
      revoked_at: null,
    };
    await this.#database.change(async (transaction) => {
      const taken = await transaction
        .selectFrom('tokens')
        .select('id')
        .where('name', '=', options.name)
        .where('revoked_at', 'is', null)
        .executeTakeFirst();
      if (taken !== undefined) {
        throw new HeadwaterError(
          'conflict',
          `a token named ${options.name} exists: revoke it first, or choose another name`,
        );
      }
      await transaction.insertInto('tokens').values(row).execute();
    });
    return { token: toToken(row), secret };
  }

  async list(): Promise<Token[]> {
    const rows = await this.#database.reads.selectFrom('tokens').selectAll().orderBy('created_at').execute();
    return rows.map(toToken);
  }

  /**
   * Revokes a token, named by its id or its name; it is refused from the next request on.
   * @throws HeadwaterError `not-found`
   */
  async revoke(idOrName: string, now = new Date()): Promise<void> {
    await this.#database.change(async (transaction) => {
      const { numUpdatedRows } = await transaction
        .updateTable('tokens')
        .set({ revoked_at: now.getTime() })
        .where((where) => where.or([where('id', '=', idOrName), where('name', '=', idOrName)]))
        .where('revoked_at', 'is', null)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) {
        throw new HeadwaterError('not-found', `there is no token ${idOrName} in force`);
      }
    });
  }

  /** The token whose secret this is, if it is in force, and notes its use; undefined otherwise. */
  async authenticate(secret: string, now = new Date()): Promise<Token | undefined> {
    const row = await this.#database.reads
      .selectFrom('tokens')
      .selectAll()
      .where('hash', '=', hashOf(secret))
      .executeTakeFirst();
    if (row === undefined || row.revoked_at !== null) return undefined;
    if (row.expires_at !== null && row.expires_at <= now.getTime()) return undefined;
    if (row.last_used_at === null || now.getTime() - row.last_used_at > lastUsedPrecision) {
      await this.#database.change(async (transaction) => {
        await transaction
          .updateTable('tokens')
          .set({ last_used_at: now.getTime() })
          .where('id', '=', row.id)
          .execute();
      });
    }
    return toToken(row);
  }
}

// A secret of 256 random bits needs no slow hash: it cannot be guessed from its hash.
function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

function toToken(row: Selectable<Tables['tokens']>): Token {
  return {
    id: row.id,
    name: row.name,
    actions: JSON.parse(row.actions) as Action[],
    ...(row.streams === null ? {} : { streams: JSON.parse(row.streams) as string[] }),
    createdAt: new Date(row.created_at),
    ...(row.expires_at === null ? {} : { expiresAt: new Date(row.expires_at) }),
    ...(row.last_used_at === null ? {} : { lastUsedAt: new Date(row.last_used_at) }),
    ...(row.revoked_at === null ? {} : { revokedAt: new Date(row.revoked_at) }),
  };
}
