import { randomBytes } from 'node:crypto';
import type { Kysely, Selectable } from 'kysely';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import type { Rights } from '../../model/rights.ts';
import type { Change } from '../database/change.ts';
import { timeOf } from '../database/checked-column.ts';
import type { Tables } from '../database/tables.ts';
import { toColumns, toRights } from './rights-columns.ts';

// Reads rows of clients, and trusts clients within transactions.

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

/** @throws HeadwaterError `forbidden` when the secret is not that of an active join token */
export async function findJoinToken(
  db: Kysely<Tables>,
  secretHash: string,
  now: Date,
): Promise<Selectable<Tables['tokens']>> {
  const token = await db
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

/** Another client that has a name, or had it until it was revoked. */
export async function findOther(
  db: Kysely<Tables>,
  { name, fingerprint }: Pick<NewClient, 'name' | 'fingerprint'>,
) {
  return await db
    .selectFrom('clients')
    .select('revoked_at')
    .where('name', '=', name)
    .where('fingerprint', '!=', fingerprint)
    .orderBy('revoked_at')
    .executeTakeFirst();
}

/**
 * Refuses a name that another client has, or had. The audit log, quotas and images without a name refer to clients by
 * their names.
 * @throws HeadwaterError `conflict`
 */
export async function assertNameIsFree(
  db: Kysely<Tables>,
  draft: Pick<NewClient, 'name' | 'fingerprint'>,
): Promise<void> {
  const other = await findOther(db, draft);
  if (other === undefined) return;
  throw new HeadwaterError(
    'conflict',
    `the name ${draft.name} belongs to another client${other.revoked_at === null ? '' : ', which was revoked'}: ` +
      'create a join token with another name, so that the audit log and the quotas distinguish the two',
  );
}

/** Trusts a certificate, or gives another name and rights to one that is trusted. */
export async function trust(change: Change, draft: NewClient, now: Date): Promise<Client> {
  await change.db
    .deleteFrom('clients')
    .where('fingerprint', '=', draft.fingerprint)
    .where('name', '=', draft.name)
    .execute();
  // A name that it had stays its own.
  await change.db
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
  await change.db.insertInto('clients').values(row).execute();
  return toClient(row);
}

export function toClient(row: Selectable<Tables['clients']>): Client {
  return {
    id: row.id,
    name: row.name,
    fingerprint: row.fingerprint,
    ...toRights('clients', row),
    createdAt: new Date(row.created_at),
    ...defined({ lastUsedAt: timeOf(row.last_used_at), revokedAt: timeOf(row.revoked_at) }),
  };
}
