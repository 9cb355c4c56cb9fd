import type { Kysely } from 'kysely';
import { LimitError } from '../../errors.ts';
import type { Permit } from '../../model/rights.ts';
import type { Change } from '../database/change.ts';
import type { Tables } from '../database/tables.ts';

/** How many bytes of pushed images there may be. */
export interface Quotas {
  /** In the stream. */
  stream?: number;
  /** Pushed by one client or token. */
  entry?: number;
}

/** Whose images and where. */
export interface QuotaScope {
  stream: string;
  pushedBy: string;
  /** Of whoever is told when there is no room. */
  permit: Permit;
}

/** How many bytes there is room for, and which quota says so. */
export interface Allowance {
  bytes: number;
  limit: 'streamQuota' | 'entryQuota';
  /** For those who are told. */
  reason: string;
}

/**
 * How many bytes may still be pushed.
 * @param db the catalog, or the transaction of a change
 */
export async function allowance(db: Kysely<Tables>, quotas: Quotas, scope: QuotaScope): Promise<Allowance> {
  const rooms: Allowance[] = [];
  if (quotas.stream !== undefined) {
    const used = await sum(db, 'products.stream', scope.stream);
    // How much there is of images that somebody may not read is not told either.
    const mayKnow = await scope.permit.may('read', { stream: scope.stream, names: [] });
    rooms.push({
      limit: 'streamQuota',
      bytes: quotas.stream - used,
      reason: quotaReason(`the stream ${scope.stream}`, quotas.stream, mayKnow ? used : undefined),
    });
  }
  if (quotas.entry !== undefined) {
    const used = await sum(db, 'pushed.pushed_by', scope.pushedBy);
    rooms.push({
      limit: 'entryQuota',
      bytes: quotas.entry - used,
      reason: quotaReason(scope.pushedBy, quotas.entry, used),
    });
  }
  rooms.sort((one, other) => one.bytes - other.bytes);
  return rooms[0] ?? { limit: 'streamQuota', bytes: Number.POSITIVE_INFINITY, reason: '' };
}

/**
 * Refuses what does not fit.
 * @throws LimitError `too-large`
 */
export async function assertWithin(
  change: Change,
  quotas: Quotas,
  scope: Omit<QuotaScope, 'permit'>,
  bytes: number,
): Promise<void> {
  const left = await allowance(change.db, quotas, { ...scope, permit: change.permit });
  if (bytes > left.bytes) throw overQuota(left);
}

/** The error of a push that does not fit. */
export function overQuota({ limit, reason }: Allowance): LimitError {
  return new LimitError(
    limit,
    'too-large',
    `the image does not fit: ${reason}; delete images that nobody needs`,
  );
}

function quotaReason(whose: string, quota: number, used: number | undefined): string {
  return `the quota of ${whose} is ${quota} bytes, ${used === undefined ? 'and it is used up' : `of which ${used} are used`}`;
}

async function sum(
  database: Kysely<Tables>,
  column: 'products.stream' | 'pushed.pushed_by',
  value: string,
): Promise<number> {
  const { used } = await database
    .selectFrom('pushed')
    .innerJoin('versions', 'versions.id', 'pushed.version_id')
    .innerJoin('products', 'products.id', 'versions.product_id')
    .select((expression) => expression.fn.sum<number | null>('pushed.bytes').as('used'))
    .where(column, '=', value)
    .where('versions.removed_at', 'is', null)
    .executeTakeFirstOrThrow();
  return used ?? 0;
}
