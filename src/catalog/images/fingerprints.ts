import { sql } from 'kysely';
import type { Database } from '../database/database.ts';
import {
  type ComputedFingerprint,
  insertFingerprints,
  isSourced,
  type NamedFile,
  removeFalseClaims,
  removeWrong,
  touchProduct,
  type WrongImage,
  type WrongVersion,
} from './fingerprint-rows.ts';

/** An image whose listed fingerprint was not computed from its bytes, or differs from the computed one. */
export interface Claim extends WrongImage {
  metadata: { digest: string; size: number };
  root: { digest: string; size: number };
  /** The computed fingerprint, if there is one. */
  computed?: string;
}

/** An image of a version, with its fingerprint in the catalog. */
export interface ListedImage extends WrongImage {
  /** Absent on a unified image. */
  metadata?: { digest: string; size: number };
}

/** Computed fingerprints of images, and those that documents claim. */
export class Fingerprints {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** sha256(metadata bytes, then root bytes), if it was computed before. */
  async find(metadata: string, root: string): Promise<string | undefined> {
    const row = await this.#database.reads
      .selectFrom('fingerprints')
      .select('fingerprint')
      .where('metadata', '=', metadata)
      .where('root', '=', root)
      .executeTakeFirst();
    return row?.fingerprint;
  }

  /** Records computed fingerprints. */
  async record(computed: readonly ComputedFingerprint[]): Promise<void> {
    await this.#database.grow((change) => insertFingerprints(change, computed));
  }

  /**
   * The split images with a file whose fingerprint was not computed yet, or is wrong. The fingerprint of a unified image is
   * its digest.
   * @param options.sourced only images whose root can be fetched on demand
   */
  async claims(digest: string, options: { sourced: boolean }): Promise<Claim[]> {
    const { rows } = await sql<{
      stream: string;
      product: string;
      serial: string;
      owner: string;
      claimed: string;
      computed: string | null;
      metadata: string;
      metadataSize: number;
      root: string;
      rootSize: number;
    }>`
      select products.stream, products.name as product, versions.serial, products.owner, root.fingerprint as claimed,
        computed.fingerprint as computed, metadata.digest as metadata, metadata.size as "metadataSize",
        root.digest as root, root.size as "rootSize"
      from items as root
      join items as metadata on metadata.version_id = root.version_id and metadata.type = 'metadata'
      join versions on versions.id = root.version_id
      join products on products.id = versions.product_id
      left join fingerprints as computed on computed.metadata = metadata.digest and computed.root = root.digest
      where root.version_id in (select version_id from items where digest = ${digest})
      and root.fingerprint is not null and (root.digest = ${digest} or metadata.digest = ${digest})
      and computed.fingerprint is distinct from root.fingerprint
      ${options.sourced ? sql`and ${isSourced('root')}` : sql``}
    `.execute(this.#database.reads);
    return rows.map(({ metadata, metadataSize, root, rootSize, computed, ...rest }) => ({
      ...rest,
      metadata: { digest: metadata, size: metadataSize },
      root: { digest: root, size: rootSize },
      ...(computed === null ? {} : { computed }),
    }));
  }

  /** Whether a version has a file, including removed versions that are still fetchable. */
  async isNamed(digest: string): Promise<boolean> {
    const row = await this.#database.reads
      .selectFrom('items')
      .select('digest')
      .where('digest', '=', digest)
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  }

  /**
   * Records the computed fingerprint of an image, and deletes versions of mirrors that list the image under another one.
   * @param options.sourced only versions whose root can be fetched on demand
   * @returns the deleted versions
   */
  async refuse(computed: ComputedFingerprint, options: { sourced: boolean }): Promise<WrongImage[]> {
    return await this.#database.change(async (change) => {
      await insertFingerprints(change, [computed]);
      const { metadata, root, fingerprint } = computed;
      const { rows } = await sql<WrongVersion>`
        select versions.id, versions.product_id as "productId", versions.serial, products.name as product,
          products.stream, products.owner, root.fingerprint as claimed
        from items as root
        join items as metadata on metadata.version_id = root.version_id and metadata.type = 'metadata'
        join versions on versions.id = root.version_id
        join products on products.id = versions.product_id
        where root.digest = ${root} and metadata.digest = ${metadata} and root.fingerprint <> ${fingerprint}
        and products.owner like 'mirror:%' ${options.sourced ? sql`and ${isSourced('root')}` : sql``}
      `.execute(change.db);
      await removeWrong(change, rows, `the fingerprint of its bytes is ${fingerprint}`);
      await removeFalseClaims(change, [imageOf(computed)]);
      return rows;
    });
  }

  /**
   * The images with a fingerprint and other files, as far as the fingerprint was computed or the files are not just listed on
   * demand. No listing may claim the fingerprint of such an image.
   */
  async holders({ metadata, root, fingerprint }: ComputedFingerprint): Promise<WrongImage[]> {
    const { rows } = await sql<WrongImage>`
      select products.stream, products.name as product, versions.serial, products.owner, image.fingerprint as claimed
      from items as image
      join versions on versions.id = image.version_id
      join products on products.id = versions.product_id
      left join items as other on other.version_id = image.version_id and other.type = 'metadata'
      where image.fingerprint = ${fingerprint} and versions.removed_at is null
      and (image.digest <> ${root} or other.digest is distinct from ${metadata})
      and (not ${isSourced('image')} or image.digest = image.fingerprint or exists (
        select 1 from fingerprints where fingerprints.metadata = other.digest
        and fingerprints.root = image.digest and fingerprints.fingerprint = image.fingerprint))
    `.execute(this.#database.reads);
    return rows;
  }

  /** The images with a root, one for each version, including removed versions that are still fetchable. */
  async ofRoot(digest: string): Promise<ListedImage[]> {
    const rows = await this.#database.reads
      .selectFrom('items as root')
      .innerJoin('versions', 'versions.id', 'root.version_id')
      .innerJoin('products', 'products.id', 'versions.product_id')
      .leftJoin('items as metadata', (join) =>
        join.onRef('metadata.version_id', '=', 'root.version_id').on('metadata.type', '=', 'metadata'),
      )
      .select(['products.stream', 'products.name as product', 'products.owner', 'versions.serial'])
      .select(['root.fingerprint as claimed', 'metadata.digest', 'metadata.size'])
      .where('root.digest', '=', digest)
      .where('root.fingerprint', 'is not', null)
      .execute();
    return rows.map(({ digest: metadata, size, claimed, ...place }) => ({
      ...place,
      claimed: claimed ?? '',
      ...(metadata === null || size === null ? {} : { metadata: { digest: metadata, size } }),
    }));
  }

  /**
   * Lists images under their computed fingerprint, with an audit entry for each change.
   * @param computed without metadata for a unified image
   * @returns the images that were listed under another fingerprint
   */
  async correct(
    computed: Omit<ComputedFingerprint, 'metadata'> & { metadata?: string },
  ): Promise<WrongImage[]> {
    const { metadata = null, root, fingerprint } = computed;
    return await this.#database.change(async (change) => {
      if (metadata !== null) await insertFingerprints(change, [{ metadata, root, fingerprint }]);
      const { rows } = await sql<WrongVersion>`
        select versions.id, versions.product_id as "productId", versions.serial, products.name as product,
          products.stream, products.owner, root.fingerprint as claimed
        from items as root
        left join items as metadata on metadata.version_id = root.version_id and metadata.type = 'metadata'
        join versions on versions.id = root.version_id
        join products on products.id = versions.product_id
        where root.digest = ${root} and metadata.digest is not distinct from ${metadata} and root.fingerprint <> ${fingerprint}
      `.execute(change.db);
      for (const { id, productId, stream, product, serial, claimed } of rows) {
        await change.db
          .updateTable('items')
          .set({ fingerprint })
          .where('version_id', '=', id)
          .where('digest', '=', root)
          .where('fingerprint', '=', claimed)
          .execute();
        await touchProduct(change, productId);
        await change.audit({
          action: 'image.fingerprint',
          subject: `${product}@${serial}`,
          details: { stream, from: claimed, to: fingerprint },
        });
      }
      await removeFalseClaims(change, [imageOf(computed)]);
      return rows;
    });
  }
}

function imageOf({
  metadata,
  root,
  fingerprint,
}: Omit<ComputedFingerprint, 'metadata'> & { metadata?: string }): NamedFile[] {
  const file = { type: 'root', digest: root, fingerprint };
  return metadata === undefined ? [file] : [{ type: 'metadata', digest: metadata }, file];
}
