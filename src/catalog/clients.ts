import { randomBytes } from 'node:crypto';
import type { Selectable, Transaction } from 'kysely';
import { HeadwaterError } from '../errors.ts';
import type { Database } from './database.ts';
import { lastUsedPrecision } from './last-used.ts';
import { parseHolder, type Rights, rightsOf, toColumns, toRights } from './rights.ts';
import type { Tables } from './tables.ts';

/** A client that is trusted by its TLS certificate. */
export interface Client extends Rights {
  id: string;
  name: string;
  /** SHA-256 of the certificate in DER, in hexadecimal. */
  fingerprint: string;
  createdAt: Date;
  lastUsedAt?: Date;
  revokedAt?: Date;
}

/** A client about to be trusted. */
export interface NewClient extends Rights {
  name: string;
  fingerprint: string;
  /** PEM */
  certificate: string;
}

/** Knows the clients that are trusted by their certificates. */
export class Clients {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async list(): Promise<Client[]> {
    const rows = await this.#database.reads.selectFrom('clients').selectAll().orderBy('created_at').execute();
    return rows.map(toClient);
  }

  /** The certificate of a client in force, as PEM. */
  async certificate(fingerprint: string): Promise<string | undefined> {
    return (await this.#find(fingerprint))?.certificate;
  }

  /**
   * Trusts a client by the secret of a join token, which is used up by it. A client that is trusted already gets
   * the rights of the token instead of its own.
   * @throws HeadwaterError `forbidden` when the secret is unknown, used, expired or revoked; `conflict` when another
   * client in force has the token's name
   */
  async join(
    secretHash: string,
    certificate: Pick<NewClient, 'fingerprint' | 'certificate'>,
    now = new Date(),
  ): Promise<Client> {
    return await this.#database.change(async (transaction, _revision, note) => {
      const token = await transaction
        .selectFrom('tokens')
        .selectAll()
        .where('hash', '=', secretHash)
        .where('purpose', '=', 'join')
        .where('revoked_at', 'is', null)
        .where((where) =>
          where.or([where('expires_at', 'is', null), where('expires_at', '>', now.getTime())]),
        )
        .executeTakeFirst();
      if (token === undefined) {
        throw new HeadwaterError(
          'forbidden',
          'not authorized: the join token is unknown, used, expired or revoked',
        );
      }
      await transaction
        .updateTable('tokens')
        .set({ revoked_at: now.getTime(), last_used_at: now.getTime() })
        .where('id', '=', token.id)
        .execute();
      const draft = { name: token.name, ...certificate, ...toRights(token) };
      const client = await trust(transaction, draft, now);
      await note({
        action: 'client.join',
        subject: client.name,
        details: { fingerprint: client.fingerprint, token: token.id, ...toRights(token) },
      });
      return client;
    });
  }

  /**
   * Trusts a client for another reason than a join token.
   * @throws HeadwaterError `conflict` when another client in force has the name
   */
  async add(draft: NewClient, now = new Date()): Promise<Client> {
    const name = parseHolder('client', draft.name);
    return await this.#database.change(async (transaction, _revision, note) => {
      const client = await trust(transaction, { ...draft, name }, now);
      await note({
        action: 'client.join',
        subject: client.name,
        details: { fingerprint: client.fingerprint, ...rightsOf(draft) },
      });
      return client;
    });
  }

  /**
   * Revokes a client, named by its id, its name or the beginning of its fingerprint (12 digits or more); it is
   * refused from the next request on.
   * @throws HeadwaterError `not-found`
   */
  async revoke(reference: string, now = new Date()): Promise<void> {
    await this.#database.change(async (transaction, _revision, note) => {
      const byFingerprint = /^[0-9a-f]{12,64}$/i.test(reference);
      const found = await transaction
        .selectFrom('clients')
        .select(['id', 'name', 'fingerprint'])
        .where('revoked_at', 'is', null)
        .where((where) =>
          where.or([
            where('id', '=', reference),
            where('name', '=', reference),
            ...(byFingerprint ? [where('fingerprint', 'like', `${reference.toLowerCase()}%`)] : []),
          ]),
        )
        .execute();
      const [client] = found;
      if (client === undefined) {
        throw new HeadwaterError('not-found', `there is no client ${reference} in force`);
      }
      if (found.length > 1) {
        throw new HeadwaterError('conflict', `${reference} names ${found.length} clients: use the id of one`);
      }
      await transaction
        .updateTable('clients')
        .set({ revoked_at: now.getTime() })
        .where('id', '=', client.id)
        .execute();
      await note({
        action: 'client.revoke',
        subject: client.name,
        details: { fingerprint: client.fingerprint },
      });
    });
  }

  /** The client whose certificate this is, if it is in force, and notes its use; undefined otherwise. */
  async authenticate(fingerprint: string, now = new Date()): Promise<Client | undefined> {
    const row = await this.#find(fingerprint);
    if (row === undefined) return undefined;
    if (row.last_used_at === null || now.getTime() - row.last_used_at > lastUsedPrecision) {
      await this.#database.change(async (transaction) => {
        await transaction
          .updateTable('clients')
          .set({ last_used_at: now.getTime() })
          .where('id', '=', row.id)
          .execute();
      });
    }
    return toClient(row);
  }

  /** Like {@link authenticate}, without noting a use: changes nothing, so that it can be asked within a change. */
  async inForce(fingerprint: string): Promise<Client | undefined> {
    const row = await this.#find(fingerprint);
    return row === undefined ? undefined : toClient(row);
  }

  async #find(fingerprint: string) {
    return await this.#database.reads
      .selectFrom('clients')
      .selectAll()
      .where('fingerprint', '=', fingerprint)
      .where('revoked_at', 'is', null)
      .executeTakeFirst();
  }
}

/** Part of a transaction: trusts a certificate, or gives other rights to one that is trusted. */
async function trust(transaction: Transaction<Tables>, draft: NewClient, now: Date): Promise<Client> {
  const inForce = await transaction
    .selectFrom('clients')
    .select(['id', 'fingerprint'])
    .where('revoked_at', 'is', null)
    .where((where) =>
      where.or([where('name', '=', draft.name), where('fingerprint', '=', draft.fingerprint)]),
    )
    .execute();
  if (inForce.some(({ fingerprint }) => fingerprint !== draft.fingerprint)) {
    throw new HeadwaterError(
      'conflict',
      `a client named ${draft.name} is trusted already: revoke it first, or choose another name`,
    );
  }
  for (const { id } of inForce) await transaction.deleteFrom('clients').where('id', '=', id).execute();
  const row = {
    id: randomBytes(6).toString('hex'),
    name: draft.name,
    fingerprint: draft.fingerprint,
    certificate: draft.certificate,
    ...toColumns(draft),
    created_at: now.getTime(),
    last_used_at: null,
    revoked_at: null,
  };
  await transaction.insertInto('clients').values(row).execute();
  return toClient(row);
}

function toClient(row: Selectable<Tables['clients']>): Client {
  return {
    id: row.id,
    name: row.name,
    fingerprint: row.fingerprint,
    ...toRights(row),
    createdAt: new Date(row.created_at),
    ...(row.last_used_at === null ? {} : { lastUsedAt: new Date(row.last_used_at) }),
    ...(row.revoked_at === null ? {} : { revokedAt: new Date(row.revoked_at) }),
  };
}
