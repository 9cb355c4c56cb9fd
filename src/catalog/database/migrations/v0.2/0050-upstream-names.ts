import type { Kysely } from 'kysely';

/** What upstreams call their versions. */
export async function upstreamNames(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('versions').addColumn('upstream_name', 'text').execute();
}
