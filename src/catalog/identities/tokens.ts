import { hash, randomBytes } from 'node:crypto';
import type { Selectable } from 'kysely';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { parseHolder, type Rights, rightsOf } from '../../model/rights.ts';
import { timeOf } from '../database/checked-column.ts';
import type { Database } from '../database/database.ts';
import type { Tables } from '../database/tables.ts';
import { lastUsedPrecision } from './last-used.ts';
import { toColumns, toRights } from './rights-columns.ts';

/** A bearer token, without its secret: only its hash is kept. */
export interface Token extends Rights {
  id: string;
  name: string;
  /** `join`: a client that sends it once is trusted from then on, by its certificate. */
  purpose: Purpose;
  createdAt: Date;
  expiresAt?: Date;
  lastUsedAt?: Date;
  revokedAt?: Date;
}

type Purpose = 'api' | 'join';

/** The beginning of every secret of a token, so that people and scanners recognize it. */
const secretPrefix = 'hw_';

/** How long tokens that ended are listed, in milliseconds; the audit log keeps them for longer. */
const listedAfterEnd = 30 * 24 * 3_600_000;

/** Creates, checks and revokes tokens. */
export class Tokens {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Creates a token.
   * @returns the token with its secret, which can never be read again
   * @throws HeadwaterError `conflict` when an active token has that name
   */
  async create(
    options: Rights & { name: string; purpose?: Purpose; expiresAt?: Date },
    now = new Date(),
  ): Promise<{ token: Token; secret: string }> {
    const secret = `${secretPrefix}${randomBytes(32).toString('base64url')}`;
    const id = randomBytes(6).toString('hex');
    const row = {
      id,
      name: parseHolder('token', options.name),
      hash: hashOf(secret),
      purpose: options.purpose ?? 'api',
      ...toColumns(options),
      created_at: now.getTime(),
      expires_at: options.expiresAt?.getTime() ?? null,
      last_used_at: null,
      revoked_at: null,
    };
    await this.#database.change(async (change) => {
      const taken = await change.db
        .selectFrom('tokens')
        .select('id')
        .where('name', '=', options.name)
        .where('revoked_at', 'is', null)
        .where((where) =>
          where.or([where('expires_at', 'is', null), where('expires_at', '>', now.getTime())]),
        )
        .executeTakeFirst();
      if (taken !== undefined) {
        throw new HeadwaterError(
          'conflict',
          `a token named ${options.name} exists: revoke it first, or choose another name`,
        );
      }
      await change.db.insertInto('tokens').values(row).execute();
      await change.audit({
        action: 'token.create',
        subject: row.name,
        details: { id, purpose: row.purpose, ...rightsOf(options) },
      });
    });
    return { token: toToken(row), secret };
  }

  /**
   * The tokens, oldest first.
   * @param options.all also those that ended (used to join, revoked, expired) more than 30 days ago
   */
  async list(options: { all?: boolean } = {}, now = new Date()): Promise<Token[]> {
    const rows = await this.#database.reads.selectFrom('tokens').selectAll().orderBy('created_at').execute();
    const oldest = now.getTime() - listedAfterEnd;
    return rows.map(toToken).filter((token) => {
      const end = endOf(token);
      return options.all === true || end === undefined || end.getTime() >= oldest;
    });
  }

  /**
   * Revokes a token, named by its id or its name; it is refused from the next request on.
   * @throws HeadwaterError `not-found`
   */
  async revoke(idOrName: string, now = new Date()): Promise<void> {
    await this.#database.change(async (change) => {
      const revoked = await change.db
        .updateTable('tokens')
        .set({ revoked_at: now.getTime() })
        .where((where) => where.or([where('id', '=', idOrName), where('name', '=', idOrName)]))
        .where('revoked_at', 'is', null)
        .returning(['id', 'name'])
        .execute();
      if (revoked.length === 0) {
        throw new HeadwaterError('not-found', `there is no active token ${idOrName}`);
      }
      for (const { id, name } of revoked) {
        await change.audit({ action: 'token.revoke', subject: name, details: { id } });
      }
    });
  }

  /** The active token with this secret; notes its use. Undefined if there is none. */
  async authenticate(secret: string, now = new Date()): Promise<Token | undefined> {
    const row = await this.#database.reads
      .selectFrom('tokens')
      .selectAll()
      .where('hash', '=', hashOf(secret))
      .where('purpose', '=', 'api')
      .executeTakeFirst();
    if (row === undefined || !isInForce(row, now)) return undefined;
    if (row.last_used_at === null || now.getTime() - row.last_used_at > lastUsedPrecision) {
      await this.#database.note(async (db) => {
        await db
          .updateTable('tokens')
          .set({ last_used_at: now.getTime() })
          .where('id', '=', row.id)
          .execute();
      });
    }
    return toToken(row);
  }

  /** The active token with this id; its use is not noted, so that the function can be called within a change. */
  async inForce(id: string, now = new Date()): Promise<Token | undefined> {
    const row = await this.#database.reads
      .selectFrom('tokens')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row === undefined || !isInForce(row, now) ? undefined : toToken(row);
  }
}

/** The end of a token's validity, past or future; undefined when it does not end. */
function endOf({ purpose, expiresAt, lastUsedAt, revokedAt }: Token): Date | undefined {
  const ends = [revokedAt, expiresAt, purpose === 'join' ? lastUsedAt : undefined];
  return ends.filter((end) => end !== undefined).sort((one, other) => one.getTime() - other.getTime())[0];
}

function isInForce(row: Pick<Selectable<Tables['tokens']>, 'revoked_at' | 'expires_at'>, now: Date): boolean {
  return row.revoked_at === null && (row.expires_at === null || row.expires_at > now.getTime());
}

/** Whether a text has the form of a token's secret. */
export function isTokenSecret(text: string): boolean {
  return text.startsWith(secretPrefix);
}

// A secret of 256 random bits needs no slow hash: it cannot be guessed from its hash.
export function hashOf(secret: string): string {
  return hash('sha256', secret);
}

function toToken(row: Selectable<Tables['tokens']>): Token {
  return {
    id: row.id,
    name: row.name,
    purpose: row.purpose,
    ...toRights('tokens', row),
    createdAt: new Date(row.created_at),
    ...defined({
      expiresAt: timeOf(row.expires_at),
      lastUsedAt: timeOf(row.last_used_at),
      revokedAt: timeOf(row.revoked_at),
    }),
  };
}
