import type { Transaction } from 'kysely';
import type { Permit } from './rights.ts';
import type { Tables } from './tables.ts';

/** Who makes a change, and from where. */
export interface Actor {
  /** `token:NAME`, `client:NAME`, `anonymous`, or the user of the command line as `local:NAME`. */
  who: string;
  /** An IP address, or `command line`. */
  from: string;
  /** What they may do; everything when left out. */
  permit?: Permit;
}

/** A change, as it is remembered. */
export interface AuditEvent {
  /** What was done: `version.publish`, `alias.set`, `token.create`, … */
  action: string;
  /** To what: a product's name with the serial, an alias, the name of a token. */
  subject: string;
  /** What else is worth knowing. */
  details?: Record<string, unknown>;
}

/** Part of a transaction: remembers a change in the transaction that makes it. */
export async function noteChange(
  transaction: Transaction<Tables>,
  actor: Actor,
  event: AuditEvent,
): Promise<void> {
  const { action, subject, details } = event;
  await transaction
    .insertInto('audit')
    .values({
      at: Date.now(),
      who: actor.who,
      origin: actor.from,
      action,
      subject,
      details: details === undefined ? null : JSON.stringify(details),
    })
    .execute();
}
