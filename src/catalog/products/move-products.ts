import { sql } from 'kysely';
import type { Change } from '../database/change.ts';
import { valuesOf } from '../database/json-rows.ts';
import { ofSameFamily } from './alias-rows.ts';

/**
 * Moves the products of an owner into a stream, with their aliases, except products and aliases that the stream already
 * has.
 * @returns how many were moved
 */
export async function moveProducts(change: Change, owner: string, stream: string): Promise<number> {
  const { db } = change;
  const products = await db
    .selectFrom('products')
    .select(['id', 'stream', 'os', 'release', 'variant'])
    .where('owner', '=', owner)
    .where('stream', '!=', stream)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('products as there')
            .select('there.id')
            .where('there.stream', '=', stream)
            .whereRef('there.name', '=', 'products.name'),
        ),
      ),
    )
    .execute();
  if (products.length === 0) return 0;
  const ids = valuesOf(products.map(({ id }) => id));
  const left = valuesOf([...new Set(products.map((product) => product.stream))]);
  await sql`
    insert into aliases (stream, name, os, release, variant, description, version_id, removed_at)
    select distinct ${stream}, aliases.name, aliases.os, aliases.release, aliases.variant, aliases.description,
      aliases.version_id, aliases.removed_at
    from aliases join products on ${ofSameFamily}
    where products.id in ${ids} and (aliases.version_id is null
      or aliases.version_id in (select versions.id from versions where versions.product_id = products.id))
    on conflict do nothing
  `.execute(db);
  await sql`
    update products set stream = ${stream}, revision = ${await change.revision()}
    where id in ${ids}
  `.execute(db);
  // Aliases that point to nothing that is left in the old stream.
  await sql`
    delete from aliases where stream in ${left} and not exists (
      select 1 from products where ${ofSameFamily} and (aliases.version_id is null
        or aliases.version_id in (select versions.id from versions where versions.product_id = products.id))
    )
  `.execute(db);
  const count = products.length;
  await change.audit({ action: 'product.move', subject: owner, details: { stream, count } });
  return count;
}
