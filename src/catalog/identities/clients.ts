import { HeadwaterError } from '../../errors.ts';
import { parseHolder, rightsOf } from '../../model/rights.ts';
import type { Database } from '../database/database.ts';
import {
  assertNameIsFree,
  type Client,
  findJoinToken,
  findOther,
  type NewClient,
  toClient,
  trust,
} from './client-rows.ts';
import { lastUsedPrecision } from './last-used.ts';
import { toRights } from './rights-columns.ts';

export type { Client } from './client-rows.ts';

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

  /** The certificate of an active client, as PEM. */
  async certificate(fingerprint: string): Promise<string | undefined> {
    return (await this.#find(fingerprint))?.certificate;
  }

  /**
   * Trusts a client by the secret of a join token, and uses the token up. A client that is trusted already gets the
   * rights of the token instead of its own.
   * @throws HeadwaterError `forbidden` when the secret is unknown, used, expired or revoked; `conflict` when another
   * client has the token's name, or had it until it was revoked
   */
  async join(
    secretHash: string,
    certificate: Pick<NewClient, 'fingerprint' | 'certificate'>,
    now = new Date(),
  ): Promise<Client> {
    // Wrong guesses are refused after reading only, so that they delay no changes.
    await findJoinToken(this.#database.reads, secretHash, now);
    return await this.#database.change(async (change) => {
      const token = await findJoinToken(change.db, secretHash, now);
      await change.db
        .updateTable('tokens')
        .set({ revoked_at: now.getTime(), last_used_at: now.getTime() })
        .where('id', '=', token.id)
        .execute();
      const rights = toRights('tokens', token);
      const draft = { name: token.name, ...certificate, ...rights };
      await assertNameIsFree(change.db, draft);
      const client = await trust(change, draft, now);
      await change.audit({
        action: 'client.join',
        subject: client.name,
        details: {
          fingerprint: client.fingerprint,
          token: token.name,
          tokenId: token.id,
          ...rights,
        },
      });
      return client;
    });
  }

  /**
   * Trusts a client that knows the shared secret, unless it is trusted already: rights from an administrator are more
   * than the secret gives. If another client has or had its name, it gets a distinct one.
   * @throws HeadwaterError `forbidden` for a certificate that was revoked: only a join token lets it in again
   */
  async add(draft: NewClient, now = new Date()): Promise<Client> {
    const wanted = parseHolder('client', draft.name);
    return await this.#database.change(async (change) => {
      const known = await change.db
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
      const isFree = (await findOther(change.db, { ...draft, name: wanted })) === undefined;
      const name = isFree ? wanted : `${wanted.slice(0, 80)}-${draft.fingerprint.slice(0, 12)}`;
      const client = await trust(change, { ...draft, name }, now);
      await change.audit({
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
    await this.#database.change(async (change) => {
      const byFingerprint = /^[0-9a-f]{12,64}$/i.test(reference);
      const found = await change.db
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
        throw new HeadwaterError('not-found', `there is no active client ${reference}`);
      }
      if (found.length > 1) {
        throw new HeadwaterError('conflict', `${reference} names ${found.length} clients: use the id of one`);
      }
      await change.db
        .updateTable('clients')
        .set({ revoked_at: now.getTime() })
        .where('id', '=', client.id)
        .execute();
      await change.audit({
        action: 'client.revoke',
        subject: client.name,
        details: { fingerprint: client.fingerprint },
      });
    });
  }

  /** The active client with this certificate; notes its use. Undefined if there is none. */
  async authenticate(fingerprint: string, now = new Date()): Promise<Client | undefined> {
    const row = await this.#find(fingerprint);
    if (row === undefined) return undefined;
    if (row.last_used_at === null || now.getTime() - row.last_used_at > lastUsedPrecision) {
      await this.#database.note(async (db) => {
        await db
          .updateTable('clients')
          .set({ last_used_at: now.getTime() })
          .where('id', '=', row.id)
          .execute();
      });
    }
    return toClient(row);
  }

  /** Like {@link authenticate}, without noting a use: changes nothing, so that it can be called within a change. */
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
