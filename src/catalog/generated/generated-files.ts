import { sql } from 'kysely';
import type { Outcome } from '../../async/outcome.ts';
import { compareText } from '../../model/compare.ts';
import { defined } from '../../model/defined.ts';
import {
  type GeneratedFile,
  type GeneratedKind,
  generatedFileName,
  generatedKinds,
} from '../../model/generated-files.ts';
import { type ProductKey, productName } from '../../model/names.ts';
import { wordColumn } from '../database/checked-column.ts';
import type { Database } from '../database/database.ts';
import { valuesOf } from '../database/json-rows.ts';
import { ofNoClient } from '../products/ownership.ts';
import type { AssertStored } from '../products/publish.ts';
import type { Quotas } from '../quotas.ts';
import { addGenerated, type NewGeneratedFile } from './generated-rows.ts';

/** A version that lacks a generated file, with the root tarball that it would be made from. */
export interface LackingVersion {
  id: number;
  stream: string;
  product: ProductKey;
  serial: string;
  publishedAt: Date;
  /** `file` tells the compression. */
  root: { file: string; digest: string; size: number };
}

/** Which versions to look at: the newest one of each product that clients see. */
export interface LackingQuery {
  kind: GeneratedKind;
  /** The streams whose roots get an xz form. */
  xzStreams: readonly string[];
  /** Only versions with a higher id. */
  after: number;
  /** Only products that changed after this revision. */
  changedAfter?: number;
  limit: number;
}

/** A version that has everything that LXC downloads. */
export interface LxcVersion extends ProductKey {
  place?: string;
  serial: string;
}

/** A generated file of a version, and the rights to read it: those of the version. */
export interface FoundGeneratedFile extends GeneratedFile {
  stream: string;
  publishedAt: Date;
  /** Not public, even in a public stream. */
  hidden: boolean;
}

const readKind = wordColumn('generated_files.kind', generatedKinds);
const xzRoot = generatedFileName('xz-root');
/** Roots that are not compressed again: they have the right form, or one that needs liblzma. */
const unpackedElsewhere = [xzRoot, 'rootfs.tar.lzma'];

/** The files that Headwater makes for versions. They count towards quotas, and leave with their version. */
export class GeneratedFiles {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * The newest versions of products that lack a generated file, by their ids. Pushed and hidden versions get none. An xz
   * root is made only from a stored blob.
   */
  async lacking({ kind, xzStreams, after, changedAfter, limit }: LackingQuery): Promise<LackingVersion[]> {
    const rows = await this.#database.reads
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
      .where('versions.id', '>', after)
      .$if(changedAfter !== undefined, (select) => select.where('products.revision', '>', changedAfter ?? 0))
      .where(ofNoClient)
      .where('items.type', '=', 'root.tar.xz')
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('generated_files')
              .select('generated_files.digest')
              .whereRef('generated_files.version_id', '=', 'versions.id')
              .where('generated_files.kind', '=', kind),
          ),
        ),
      )
      .$if(kind === 'lxc-metadata', (select) =>
        select.where(({ or, eb }) =>
          or([
            eb('items.file', '=', xzRoot),
            eb('products.stream', 'in', valuesOf(xzStreams)).and('items.file', 'not in', unpackedElsewhere),
          ]),
        ),
      )
      .$if(kind === 'xz-root', (select) =>
        select
          .where('products.stream', 'in', valuesOf(xzStreams))
          .where('items.file', 'not in', unpackedElsewhere)
          .where('items.digest', 'in', (blobs) => blobs.selectFrom('blobs').select('blobs.digest')),
      )
      .orderBy('versions.id')
      .limit(limit)
      .execute();
    return rows.map(({ id, stream, serial, published_at, file, digest, size, ...product }) => ({
      ...{ id, stream, product, serial },
      publishedAt: new Date(published_at),
      root: { file, digest, size },
    }));
  }

  /**
   * The generated files of a version by its path, in the order of their names, also of one that left the documents.
   * @param key.place {@link Product.place}
   */
  async ofVersion(key: ProductKey & { place?: string }, serial: string): Promise<FoundGeneratedFile[]> {
    const rows = await this.#database.reads
      .selectFrom('generated_files')
      .innerJoin('versions', 'versions.id', 'generated_files.version_id')
      .innerJoin('products', 'products.id', 'versions.product_id')
      .select(['generated_files.version_id', 'generated_files.kind'])
      .select(['generated_files.digest', 'generated_files.size'])
      .select(['products.stream', 'versions.published_at', 'versions.hidden'])
      .where('products.name', '=', productName(key))
      .where('products.place', '=', key.place ?? '')
      .where('versions.serial', '=', serial)
      .execute();
    return rows
      .map((row) => {
        const kind = readKind(row.kind, row.version_id);
        const { stream, digest, size, published_at, hidden } = row;
        const file = generatedFileName(kind);
        return {
          ...{ kind, file, stream, digest, size },
          publishedAt: new Date(published_at),
          hidden: hidden === 1,
        };
      })
      .sort((one, other) => compareText(one.file, other.file));
  }

  /** The file of this kind that was made from an item before, for another version. */
  async madeFrom(kind: GeneratedKind, source: string): Promise<{ digest: string; size: number } | undefined> {
    return await this.#database.reads
      .selectFrom('generated_files')
      .select(['digest', 'size'])
      .where('source', '=', source)
      .where('kind', '=', kind)
      .limit(1)
      .executeTakeFirst();
  }

  /**
   * Records generated files, each all or nothing by itself. One of a version that was removed meanwhile is left out.
   * @param options.quotasOf the limits that the file must fit in with its version
   * @returns for each, whether it was recorded, or the error that it failed with: `too-large`, or of `assertStored`
   */
  async add(
    files: readonly NewGeneratedFile[],
    options: { assertStored: AssertStored; quotasOf: (stream: string) => Quotas },
  ): Promise<Outcome<boolean>[]> {
    return await this.#database.grow(async (change) => {
      const outcomes: Outcome<boolean>[] = [];
      for (const file of files)
        outcomes.push(await change.attempt(() => addGenerated(change, file, options)));
      if (outcomes.some((outcome) => 'result' in outcome && outcome.result)) await change.revision();
      return outcomes;
    });
  }

  /** The newest version of each product of a stream that has everything that LXC downloads, by product. */
  async lxcVersions(stream: string): Promise<LxcVersion[]> {
    const rows = await this.#database.reads
      .selectFrom('products')
      .innerJoin('versions', 'versions.product_id', 'products.id')
      .select(['products.os', 'products.release', 'products.architecture', 'products.variant'])
      .select(['products.place', 'versions.serial'])
      .where('products.stream', '=', stream)
      .where(ofNoClient)
      .where(
        'versions.id',
        '=',
        sql<number>`(
          select version.id from versions as version
          where version.product_id = products.id and version.removed_at is null and version.hidden = 0
          and exists (
            select 1 from generated_files
            where generated_files.version_id = version.id and generated_files.kind = 'lxc-metadata'
          )
          and (
            exists (select 1 from items where items.version_id = version.id and items.file = ${xzRoot})
            or exists (
              select 1 from generated_files
              where generated_files.version_id = version.id and generated_files.kind = 'xz-root'
            )
          )
          order by version.serial desc limit 1
        )`,
      )
      .orderBy('products.name')
      .execute();
    return rows.map(({ place, ...row }) => ({ ...row, ...defined({ place: place || undefined }) }));
  }
}
