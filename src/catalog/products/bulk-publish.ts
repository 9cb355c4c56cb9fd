import { type Kysely, sql } from 'kysely';
import { inStream, productName, type StreamFamily } from '../../model/names.ts';
import type { VersionDraft } from '../../model/versions.ts';
import { type AuditEvent, warningsOf } from '../database/audit-record.ts';
import type { Change } from '../database/change.ts';
import type { Tables } from '../database/tables.ts';
import { removeFalseClaims } from '../images/fingerprint-rows.ts';
import { publishedBy } from '../quotas.ts';
import { sameFamily } from './alias-rows.ts';
import { describeProducts } from './version-rows.ts';

/** A version to record. */
export interface Publication {
  draft: VersionDraft;
  now: Date;
}

/** A publication with its product. */
export interface Placed<One extends Publication = Publication> {
  one: One;
  productId: number;
}

/**
 * Which of some publications only add a version to a product that is there, has its aliases, and
 * is the publisher's. They can be made before all the others: those have nothing to do with what comes behind them.
 */
export async function plainOnes<One extends Publication>(
  db: Kysely<Tables>,
  publications: readonly One[],
): Promise<Placed<One>[]> {
  const named = publications.map((one) => ({
    one,
    name: inStream(one.draft.stream, productName(one.draft.product)),
  }));
  const products = await productsNamed(db, [
    ...new Set(publications.map(({ draft }) => productName(draft.product))),
  ]);
  const families = await familiesOf(db, [...new Set(publications.flatMap(({ draft }) => aliasNames(draft)))]);
  const taken = await serialsTaken(
    db,
    named.flatMap(({ one, name }) => {
      const product = products.get(name);
      return product === undefined ? [] : [{ one, productId: product.id }];
    }),
  );
  const others = new Set<string>();
  const isPlain = (one: One, name: string): boolean => {
    const { stream, owner, serial, product: family } = one.draft;
    const product = products.get(name);
    if (product === undefined || product.owner !== owner) return false;
    if (one.draft.serialIsDerived === true) return false;
    if (others.has(name) || taken.has(serialKey(product.id, serial))) return false;
    return aliasNames(one.draft).every((alias) => {
      const leads = families.get(inStream(stream, alias));
      return leads !== undefined && sameFamily(leads, { stream, ...family });
    });
  };
  const plain: Placed<One>[] = [];
  for (const { one, name } of named) {
    const product = products.get(name);
    if (product !== undefined && isPlain(one, name)) {
      taken.add(serialKey(product.id, one.draft.serial));
      plain.push({ one, productId: product.id });
    } else {
      others.add(name);
    }
  }
  return plain;
}

/** Adds versions to their products, all of them with a few statements: every publish ends here. */
export async function addVersions(change: Change, placed: readonly Placed[]): Promise<void> {
  const versions = placed.map(({ productId, one: { draft, now } }) => {
    const { published_by, bytes } = publishedBy(change, draft.items);
    const { serial, label, upstreamName = null } = draft;
    return [productId, serial, label, now.getTime(), upstreamName, published_by, bytes];
  });
  const added = await sql<{ id: number; productId: number; serial: string }>`
    insert into versions (product_id, serial, label, published_at, upstream_name, published_by, bytes, removed_at, hidden)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, null, 0 from json_each(${JSON.stringify(versions)})
    returning id, product_id as "productId", serial
  `.execute(change.db);
  const ids = new Map(added.rows.map(({ id, productId, serial }) => [serialKey(productId, serial), id]));
  const items = placed.flatMap(({ productId, one: { draft } }) =>
    draft.items.map(({ file, type, digest, size, fingerprint, deltaBase }) => [
      ids.get(serialKey(productId, draft.serial)),
      file,
      type,
      digest,
      size,
      fingerprint ?? null,
      deltaBase ?? null,
    ]),
  );
  await sql`
    insert into items (version_id, file, type, digest, size, fingerprint, delta_base)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
    from json_each(${JSON.stringify(items)})
  `.execute(change.db);
  await removeFalseClaims(
    change,
    placed.map(({ one }) => one.draft.items),
  );
  // Of several versions of a product, the details of the last one apply, as if they were published one after the other.
  const last = new Map(placed.map(({ productId, one }) => [productId, one.draft.details]));
  await describeProducts(change, last);
  await change.audit(...placed.map(({ one }) => published(one.draft)));
}

/** The entry of a publish in the audit log. */
export function published(draft: VersionDraft): AuditEvent {
  const { stream } = draft;
  return {
    action: 'version.publish',
    subject: `${productName(draft.product)}@${draft.serial}`,
    details: { stream, aliases: demandedAliases(draft), ...warningsOf(draft) },
  };
}

/** Those of the given digests that are recorded as blobs of the store. */
export async function recordedDigests(db: Kysely<Tables>, digests: readonly string[]): Promise<Set<string>> {
  const { rows } = await sql<{ digest: string }>`
    select digest from blobs where digest in (select value from json_each(${JSON.stringify(digests)}))
  `.execute(db);
  return new Set(rows.map(({ digest }) => digest));
}

async function productsNamed(db: Kysely<Tables>, names: string[]) {
  const { rows } = await sql<{ id: number; name: string; stream: string; owner: string }>`
    select id, name, stream, owner from products
    where name in (select value from json_each(${JSON.stringify(names)}))
  `.execute(db);
  return new Map(rows.map((row) => [inStream(row.stream, row.name), row]));
}

/** The families to which aliases point, for aliases that exist. */
async function familiesOf(db: Kysely<Tables>, aliases: string[]): Promise<Map<string, StreamFamily>> {
  const { rows } = await sql<StreamFamily & { name: string }>`
    select stream, name, os, release, variant from aliases
    where name in (select value from json_each(${JSON.stringify(aliases)})) and removed_at is null
  `.execute(db);
  return new Map(rows.map((row) => [inStream(row.stream, row.name), row]));
}

/** Those of the versions that exist, including removed ones. */
async function serialsTaken(db: Kysely<Tables>, placed: readonly Placed[]): Promise<Set<string>> {
  const keys = placed.map(({ productId, one }) => [productId, one.draft.serial]);
  const { rows } = await sql<{ productId: number; serial: string }>`
    select product_id as "productId", serial
    from json_each(${JSON.stringify(keys)})
    join versions on product_id = value ->> 0 and serial = value ->> 1
  `.execute(db);
  return new Set(rows.map(({ productId, serial }) => serialKey(productId, serial)));
}

function serialKey(productId: number, serial: string): string {
  return `${productId} ${serial}`;
}

/** All aliases that a version should have. */
export function aliasNames({ aliases }: VersionDraft): string[] {
  return [...new Set(aliases.map(({ name }) => name))];
}

/** The aliases without which a version is not published. */
export function demandedAliases({ aliases }: Pick<VersionDraft, 'aliases'>): string[] {
  return aliases.filter(({ ifTaken }) => ifTaken === 'refuse').map(({ name }) => name);
}
