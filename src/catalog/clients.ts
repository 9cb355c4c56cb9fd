import { randomBytes } from 'node:crypto';
import type { Kysely, Selectable, Transaction } from 'kysely';
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
   * client has the token's name, or had it until it was revoked
   */
  async join(
    secretHash: string,
    certificate: Pick<NewClient, 'fingerprint' | 'certificate'>,
    now = new Date(),
  ): Promise<Client> {
    // Guesses are refused by reading alone: nobody waits for them who has something to change.
    await findJoinToken(this.#database.reads, secretHash, now);
    return await this.#database.change(async (transaction, _revision, note) => {
      const token = await findJoinToken(transaction, secretHash, now);
      await transaction
        .updateTable('tokens')
        .set({ revoked_at: now.getTime(), last_used_at: now.getTime() })
        .where('id', '=', token.id)
        .execute();
      const draft = { name: token.name, ...certificate, ...toRights(token) };
      await assertNameIsFree(transaction, draft);
      const client = await trust(transaction, draft, now);
      await note({
        action: 'client.join',
        subject: client.name,
        details: {
          fingerprint: client.fingerprint,
          token: token.name,
          tokenId: token.id,
          ...toRights(token),
        },
      });
      return client;
    });
  }

  /**
   * Trusts a client that knows the shared secret, unless it is trusted already: what an administrator gave it is more
   * than the secret gives. Where its name is another's, or was, it gets one that tells the two apart.
   * @throws HeadwaterError `forbidden` for a certificate that was revoked: only a join token lets it in again
   */
  async add(draft: NewClient, now = new Date()): Promise<Client> {
    const wanted = parseHolder('client', draft.name);
    return await this.#database.change(async (transaction, _revision, note) => {
      const known = await transaction
        .selectFrom('clients')
        .selectAll()
        .where('fingerprint', '=', draft.fingerprint)
        .execute();
      const inForce = known.find(({ revoked_at }) => revoked_at === null);
      if (inForce !== undefined) return toClient(inForce);
      if (known.length > 0) {
        throw new HeadwaterError(
          'forbidden',
          'not authorized: the certificate of this client was revoked: ask for a join token',
        );
      }
      const isFree = (await findOther(transaction, { ...draft, name: wanted })) === undefined;
      const name = isFree ? wanted : `${wanted.slice(0, 80)}-${draft.fingerprint.slice(0, 12)}`;
      const client = await trust(transaction, { ...draft, name }, now);
      await note({
        action: 'client.join',
        subject: client.name,
        details: { fingerprint: client.fingerprint, by: 'shared secret', ...rightsOf(draft) },
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

/** @throws HeadwaterError `forbidden` when the secret is none of a token in force to join with */
async function findJoinToken(
  database: Kysely<Tables> | Transaction<Tables>,
  secretHash: string,
  now: Date,
): Promise<Selectable<Tables['tokens']>> {
  const token = await database
    .selectFrom('tokens')
    .selectAll()
    .where('hash', '=', secretHash)
    .where('purpose', '=', 'join')
    .where('revoked_at', 'is', null)
    .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', now.getTime())]))
    .executeTakeFirst();
  if (token !== undefined) return token;
  throw new HeadwaterError(
    'forbidden',
    'not authorized: the join token is unknown, used, expired or revoked: ask for a new one',
  );
}

/** Part of a transaction: another client that has a name, or had it until it was revoked. */
async function findOther(
  transaction: Transaction<Tables>,
  { name, fingerprint }: Pick<NewClient, 'name' | 'fingerprint'>,
) {
  return await transaction
    .selectFrom('clients')
    .select('revoked_at')
    .where('name', '=', name)
    .where('fingerprint', '!=', fingerprint)
    .orderBy('revoked_at')
    .executeTakeFirst();
}

/**
 * Part of a transaction: refuses a name that another client has, or had. The audit log, quotas and images that have no
 * name yet know clients by their names.
 * @throws HeadwaterError `conflict`
 */
async function assertNameIsFree(
  transaction: Transaction<Tables>,
  draft: Pick<NewClient, 'name' | 'fingerprint'>,
): Promise<void> {
  const other = await findOther(transaction, draft);
  if (other === undefined) return;
  throw new HeadwaterError(
    'conflict',
    `the name ${draft.name} is that of another client${other.revoked_at === null ? '' : ', which was revoked'}: ` +
      'make a join token with another name, so that the audit log and the quotas tell the two apart',
  );
}

/** Part of a transaction: trusts a certificate, or gives another name and rights to one that is trusted. */
async function trust(transaction: Transaction<Tables>, draft: NewClient, now: Date): Promise<Client> {
  await transaction
    .deleteFrom('clients')
    .where('fingerprint', '=', draft.fingerprint)
    .where('name', '=', draft.name)
    .execute();
  // A name that it had stays its own.
  await transaction
    .updateTable('clients')
    .set({ revoked_at: now.getTime() })
    .where('fingerprint', '=', draft.fingerprint)
    .where('revoked_at', 'is', null)
    .execute();
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
