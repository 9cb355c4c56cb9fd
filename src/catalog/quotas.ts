import type { Kysely } from 'kysely';
import { LimitError } from '../errors.ts';
import type { Permit } from '../model/rights.ts';
import type { Change } from './database/change.ts';
import type { Tables } from './database/tables.ts';

/** The largest total size of images that clients pushed, or published through the management API, in bytes. */
export interface Quotas {
  /** In the stream. */
  stream?: number;
  /** Of one client or token. */
  entry?: number;
}

/** The identity and the stream of the images. */
export interface QuotaScope {
  stream: string;
  pushedBy: string;
  /** The rights of the identity that gets the error when there is no room. */
  permit: Permit;
}

/** Who published a version and how large it is, as columns of `versions`. */
export interface PublishedBy {
  published_by: string | null;
  bytes: number | null;
}

/**
 * What a version that is published counts towards: nothing unless an identity publishes it.
 * @throws LimitError `too-large` when it does not fit
 */
export async function chargeVersion(
  change: Change,
  quotas: Quotas,
  { stream, items }: { stream: string; items: readonly { size: number }[] },
): Promise<PublishedBy> {
  const columns = publishedBy(change, items);
  if (columns.published_by !== null) {
    await assertWithin(change, quotas, { stream, pushedBy: columns.published_by }, columns.bytes ?? 0);
  }
  return columns;
}

/** As {@link chargeVersion}, where no quota has to be checked. */
export function publishedBy(change: Change, items: readonly { size: number }[]): PublishedBy {
  const { uploader } = change.permit;
  if (uploader === undefined) return { published_by: null, bytes: null };
  return { published_by: uploader, bytes: items.reduce((sum, { size }) => sum + size, 0) };
}

/** The remaining bytes, and the quota that sets the limit. */
export interface Allowance {
  bytes: number;
  limit: 'streamQuota' | 'entryQuota';
  /** For the message. */
  reason: string;
}

/**
 * The bytes that may still be pushed or published.
 * @param db the catalog, or the transaction of a change
 */
export async function allowance(db: Kysely<Tables>, quotas: Quotas, scope: QuotaScope): Promise<Allowance> {
  const rooms: Allowance[] = [];
  if (quotas.stream !== undefined) {
    const used = await usedBytes(db, { stream: scope.stream });
    // The message also does not show the size of images that the identity may not read.
    const mayKnow = await scope.permit.may('read', { stream: scope.stream, names: [] });
    rooms.push({
      limit: 'streamQuota',
      bytes: quotas.stream - used,
      reason: quotaReason(`the stream ${scope.stream}`, quotas.stream, mayKnow ? used : undefined),
    });
  }
  if (quotas.entry !== undefined) {
    const used = await usedBytes(db, { pushedBy: scope.pushedBy });
    rooms.push({
      limit: 'entryQuota',
      bytes: quotas.entry - used,
      reason: quotaReason(scope.pushedBy, quotas.entry, used),
    });
  }
  rooms.sort((one, other) => one.bytes - other.bytes);
  return rooms[0] ?? { limit: 'streamQuota', bytes: Number.POSITIVE_INFINITY, reason: '' };
}

/** Refuses an image that does not fit. @throws LimitError `too-large` */
export async function assertWithin(
  change: Change,
  quotas: Quotas,
  scope: Omit<QuotaScope, 'permit'>,
  bytes: number,
): Promise<void> {
  const left = await allowance(change.db, quotas, { ...scope, permit: change.permit });
  if (bytes > left.bytes) throw overQuota(left);
}

/** The error of an image that does not fit. */
export function overQuota({ limit, reason }: Allowance): LimitError {
  return new LimitError(
    limit,
    'too-large',
    `the image does not fit: ${reason}; delete images that are no longer needed`,
  );
}

function quotaReason(whose: string, quota: number, used: number | undefined): string {
  return `the quota of ${whose} is ${quota} bytes, ${used === undefined ? 'and it is used up' : `of which ${used} are used`}`;
}

/** The bytes of a stream, or of a client or token, that count towards quotas. */
async function usedBytes(db: Kysely<Tables>, of: { stream: string } | { pushedBy: string }): Promise<number> {
  const pushed = await db
    .selectFrom('pushed')
    .innerJoin('versions', 'versions.id', 'pushed.version_id')
    .innerJoin('products', 'products.id', 'versions.product_id')
    .select((expression) => expression.fn.sum<number | null>('pushed.bytes').as('used'))
    .where(({ eb }) =>
      'stream' in of ? eb('products.stream', '=', of.stream) : eb('pushed.pushed_by', '=', of.pushedBy),
    )
    .where('versions.removed_at', 'is', null)
    .executeTakeFirstOrThrow();
  const published = await db
    .selectFrom('versions')
    .innerJoin('products', 'products.id', 'versions.product_id')
    .select((expression) => expression.fn.sum<number | null>('versions.bytes').as('used'))
    .where('versions.published_by', 'is not', null)
    .where(({ eb }) =>
      'stream' in of ? eb('products.stream', '=', of.stream) : eb('versions.published_by', '=', of.pushedBy),
    )
    .where('versions.removed_at', 'is', null)
    .executeTakeFirstOrThrow();
  // Files that Headwater made for those versions.
  const generated = await db
    .selectFrom('generated_files')
    .innerJoin('versions', 'versions.id', 'generated_files.version_id')
    .innerJoin('products', 'products.id', 'versions.product_id')
    .leftJoin('pushed', 'pushed.version_id', 'versions.id')
    .select((expression) => expression.fn.sum<number | null>('generated_files.size').as('used'))
    .where(({ eb, or }) =>
      'stream' in of
        ? eb('products.stream', '=', of.stream).and(
            or([eb('versions.published_by', 'is not', null), eb('pushed.pushed_by', 'is not', null)]),
          )
        : or([eb('versions.published_by', '=', of.pushedBy), eb('pushed.pushed_by', '=', of.pushedBy)]),
    )
    .where('versions.removed_at', 'is', null)
    .executeTakeFirstOrThrow();
  return (pushed.used ?? 0) + (published.used ?? 0) + (generated.used ?? 0);
}
