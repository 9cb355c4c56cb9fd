import type { Database } from '../database/database.ts';
import { valuesOf } from '../database/json-rows.ts';
import { ofNoClient } from '../products/ownership.ts';
import type { LackingVersion } from './generated-files.ts';

/** Roots that are layers as they are, and roots that are not packed again because they need liblzma. */
const asTheyAre = ['rootfs.tar.gz', 'rootfs.tar.lzma'];

/** The layers that Headwater makes of roots that are no gzip tarballs (`gzip-root`). */
export class Layers {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * The next version whose root lacks a layer, by ids: of the newest versions of products that clients see. Pushed and
   * hidden versions get none. A layer is made of the root tarball if there is one, else of the squashfs.
   * @param options.streams only versions in these streams
   * @param options.after only versions with a higher id
   * @param options.squashfs false: only root tarballs
   */
  async lacking(options: {
    streams: readonly string[];
    after: number;
    squashfs: boolean;
  }): Promise<LackingVersion | undefined> {
    const types = options.squashfs ? ['root.tar.xz', 'squashfs'] : ['root.tar.xz'];
    const row = await this.#database.reads
      .selectFrom('products')
      .innerJoin('versions', 'versions.product_id', 'products.id')
      .innerJoin('items', 'items.version_id', 'versions.id')
      .select(['versions.id', 'versions.serial', 'versions.published_at', 'products.stream'])
      .select(['products.os', 'products.release', 'products.architecture', 'products.variant'])
      .select(['items.file', 'items.digest', 'items.size'])
      .where('versions.id', '=', ({ selectFrom }) =>
        selectFrom('versions as newest')
          .select('newest.id')
          .whereRef('newest.product_id', '=', 'products.id')
          .where('newest.removed_at', 'is', null)
          .where('newest.hidden', '=', 0)
          .orderBy('newest.serial', 'desc')
          .limit(1),
      )
      .where('versions.id', '>', options.after)
      .where('products.stream', 'in', valuesOf(options.streams))
      .where(ofNoClient)
      .where('items.type', 'in', types)
      .where('items.digest', 'in', (blobs) => blobs.selectFrom('blobs').select('blobs.digest'))
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('items as other')
              .select('other.digest')
              .whereRef('other.version_id', '=', 'versions.id')
              .where('other.file', 'in', asTheyAre),
          ),
        ),
      )
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('generated_files')
              .select('generated_files.digest')
              .whereRef('generated_files.version_id', '=', 'versions.id')
              .where('generated_files.kind', '=', 'gzip-root'),
          ),
        ),
      )
      .orderBy('versions.id')
      // The name of a root tarball comes after that of a squashfs.
      .orderBy('items.file', 'desc')
      .limit(1)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const { id, stream, serial, published_at, file, digest, size, ...product } = row;
    return {
      ...{ id, stream, product, serial },
      publishedAt: new Date(published_at),
      root: { file, digest, size },
    };
  }

  /** The digests of the layers that were made of some roots, by the digest of the root. */
  async of(roots: readonly string[]): Promise<Map<string, string>> {
    const rows = await this.#database.reads
      .selectFrom('generated_files')
      .select(['source', 'digest'])
      .where('kind', '=', 'gzip-root')
      .where('source', 'in', valuesOf(roots))
      .execute();
    return new Map(rows.map(({ source, digest }) => [source ?? '', digest]));
  }
}
