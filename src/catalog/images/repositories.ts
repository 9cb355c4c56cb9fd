import { sql } from 'kysely';
import type { ProductWithVersions } from '../../model/versions.ts';
import type { Database } from '../database/database.ts';
import { valuesOf } from '../database/json-rows.ts';
import { ofSameFamily } from '../products/alias-rows.ts';
import { completeProducts } from '../products/product-rows.ts';
import { findPlaced, type VersionPlace } from './pushed-versions.ts';

/** A manifest with which a client pushed a version, and the config that it names. */
export interface ManifestRecord {
  mediaType: string;
  /** SHA-256 of the manifest, in hexadecimal. */
  digest: string;
  /** The exact text. */
  manifest: string;
  config: string;
}

/** Reads the products of OCI repositories. */
export class Repositories {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The revision of the last change of what documents and repositories show. Costs microseconds. */
  get revision(): number {
    return this.#database.revision();
  }

  /**
   * The products of a stream whose os is `path`, or that have an alias `path` or below `path/`. Their versions are those
   * that documents list.
   * @param options.removed include versions that left the documents and are still fetchable
   */
  async products(
    stream: string,
    path: string,
    options: { removed: boolean },
  ): Promise<ProductWithVersions[]> {
    const { reads } = this.#database;
    const rows = await reads
      .selectFrom('products')
      .selectAll()
      .where('stream', '=', stream)
      .where((where) =>
        where.or([
          where('os', '=', path),
          where('id', 'in', (select) =>
            select
              .selectFrom('aliases')
              .innerJoin('products', (join) => join.on(ofSameFamily))
              .select('products.id')
              .where('aliases.stream', '=', stream)
              // "0" follows "/" in the order of characters.
              .where(
                sql<boolean>`(aliases.name = ${path} or (aliases.name > ${`${path}/`} and aliases.name < ${`${path}0`}))`,
              ),
          ),
        ]),
      )
      .orderBy('name')
      .execute();
    return await completeProducts(reads, rows, { forDocuments: true, removed: options.removed });
  }

  /** Records the manifest of a version that was just pushed. @throws HeadwaterError `not-found` */
  async recordManifest(
    place: VersionPlace,
    { mediaType: media_type, digest, manifest, config }: ManifestRecord,
    now = new Date(),
  ): Promise<void> {
    await this.#database.grow(async (change) => {
      const version = await findPlaced(change.db, place);
      const recorded_at = now.getTime();
      await change.db
        .insertInto('manifests')
        .values({ version_id: version.id, digest, media_type, manifest, config, recorded_at })
        .onConflict((conflict) => conflict.columns(['version_id', 'digest']).doUpdateSet({ recorded_at }))
        .execute();
      await change.db
        .updateTable('products')
        .set({ revision: await change.revision() })
        .where('id', '=', version.product_id)
        .execute();
    });
  }

  /** The manifests of the versions of products with some names, the last one of each version first. */
  async manifests(products: readonly string[]): Promise<(ManifestRecord & VersionPlace)[]> {
    const rows = await this.#database.reads
      .selectFrom('manifests')
      .innerJoin('versions', 'versions.id', 'manifests.version_id')
      .innerJoin('products', 'products.id', 'versions.product_id')
      .select(['products.stream', 'products.name as product', 'versions.serial'])
      .select('manifests.media_type as mediaType')
      .select(['manifests.digest', 'manifests.manifest', 'manifests.config'])
      .where('products.name', 'in', valuesOf(products))
      .orderBy('manifests.recorded_at', 'desc')
      .execute();
    return rows;
  }
}
