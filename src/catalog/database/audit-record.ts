import { sql, type Transaction } from 'kysely';
import type { Permit } from '../../model/rights.ts';
import { insertRows } from './json-rows.ts';
import type { Tables } from './tables.ts';

/** The author of a change, and the author's address. */
export interface Actor {
  /** `token:NAME`, `client:NAME`, `anonymous`, or the user of the command line as `local:NAME`. */
  who: string;
  /** An IP address, or `command line`. */
  from: string;
  /** What they may do. */
  permit: Permit;
}

/** A change, as the audit log has it. */
export interface AuditEvent {
  /** The action: `version.publish`, `alias.set`, `token.create`, … */
  action: string;
  /** Its object: a product's name with the serial, an alias, the name of a token. */
  subject: string;
  /** Further details. */
  details?: Record<string, unknown>;
}

/** The detail `warnings` of an event: absent where there are none. */
export function warningsOf({ warnings = [] }: { warnings?: string[] }): { warnings?: string[] } {
  return warnings.length === 0 ? {} : { warnings };
}

const auditColumns = {
  at: 'bigint',
  who: 'text',
  origin: 'text',
  action: 'text',
  subject: 'text',
  details: 'text',
} as const;

/** Writes events into the audit log, in the transaction that makes the change. */
export async function recordEvents(
  db: Transaction<Tables>,
  actor: Actor,
  events: readonly AuditEvent[],
): Promise<void> {
  const at = Date.now();
  const rows = events.map(({ action, subject, details }) => ({
    at,
    who: actor.who,
    origin: actor.from,
    action,
    subject,
    details: details === undefined ? null : JSON.stringify(details),
  }));
  await sql`${insertRows('audit', auditColumns, rows)}`.execute(db);
}
