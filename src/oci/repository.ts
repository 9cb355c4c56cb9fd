import { compareText } from '../model/compare.ts';
import type { ProductWithVersions } from '../model/versions.ts';
import {
  describeVersion,
  indexOf,
  type Layer,
  type OciDocument,
  type VersionDocuments,
} from './documents.ts';
import { type TagTarget, tagsOf } from './tags.ts';

/** A version with a layer. */
interface ReadyVersion {
  serial: string;
  publishedAt: Date;
  layer: Layer;
  documents: VersionDocuments;
}

/** A blob of a repository: a layer in the store, or a small document. */
export type RepositoryBlob = OciDocument | StoredLayer;

/** A layer, and when its version was published. */
interface StoredLayer extends Layer {
  publishedAt: Date;
}

/** The products of a repository. */
export interface RepositoryContent {
  path: string;
  /** With the versions that documents list. */
  listed: readonly ProductWithVersions[];
  /** Also with versions that left the documents and are still fetchable. */
  fetchable: readonly ProductWithVersions[];
  /** The layers of roots, by the digest of the root. */
  layers: ReadonlyMap<string, Layer>;
}

/** What one client may see of a repository. Versions whose layer does not exist (yet) are no part of it. */
export class Repository {
  readonly #path: string;
  readonly #versions: ReadonlyMap<ProductWithVersions, ReadyVersion[]>;
  readonly #fetchable: ReadonlyMap<ProductWithVersions, ReadyVersion[]>;
  readonly #targets: ReadonlyMap<string, TagTarget>;
  readonly #indexes = new Map<string, OciDocument | undefined>();
  #history: Map<string, OciDocument> | undefined;

  constructor({ path, listed, fetchable, layers }: RepositoryContent) {
    const ready = (products: readonly ProductWithVersions[]) =>
      new Map(products.map((product) => [product, [...readyVersions(product, layers)]]));
    this.#path = path;
    this.#versions = ready(listed);
    this.#fetchable = ready(fetchable);
    this.#targets = tagsOf(path, listed);
  }

  /** Sorted by their bytes. */
  get tags(): string[] {
    return [...this.#targets.keys()].filter((tag) => this.tagged(tag) !== undefined);
  }

  /** The index to which a tag points. */
  tagged(tag: string): OciDocument | undefined {
    if (this.#indexes.has(tag)) return this.#indexes.get(tag);
    const target = this.#targets.get(tag);
    const index = target === undefined ? undefined : this.#index(target);
    this.#indexes.set(tag, index);
    return index;
  }

  /**
   * The manifest or index with a digest, also of a version that is only fetchable. An index to which a tag has pointed is
   * found as long as all of its versions are fetchable.
   */
  document(digest: string): OciDocument | undefined {
    for (const versions of this.#fetchable.values()) {
      const found = versions.find(({ documents }) => documents.manifest.digest === digest);
      if (found !== undefined) return found.documents.manifest;
    }
    const current = [...this.#targets.keys()].map((tag) => this.tagged(tag));
    const found = current.find((index) => index?.digest === digest);
    if (found !== undefined) return found;
    this.#history ??= new Map([...this.#pastIndexes()].map((index) => [index.digest, index]));
    return this.#history.get(digest);
  }

  /** The layer or config with a digest, also of a version that is only fetchable. */
  blob(digest: string): RepositoryBlob | undefined {
    for (const versions of this.#fetchable.values()) {
      for (const { documents, layer, publishedAt } of versions) {
        if (documents.config.digest === digest) return documents.config;
        if (`sha256:${layer.digest}` === digest) return { ...layer, publishedAt };
      }
    }
    return undefined;
  }

  #index({ products, serial }: TagTarget): OciDocument | undefined {
    const found = products.flatMap((product) => {
      const versions = this.#versions.get(product) ?? [];
      const version =
        serial === undefined ? versions.at(-1) : versions.find((each) => each.serial === serial);
      return version === undefined ? [] : [version.documents];
    });
    return found.length === 0 ? undefined : indexOf(found.sort(byPlatform));
  }

  /** The indexes that tags had before: one for each moment at which a version appeared to which they pointed. */
  *#pastIndexes(): Generator<OciDocument> {
    for (const { products, serial } of tagsOf(this.#path, [...this.#fetchable.keys()]).values()) {
      // One of a serial only grows.
      const events = products
        .flatMap((product) =>
          (this.#fetchable.get(product) ?? [])
            .filter((version) => serial === undefined || version.serial === serial)
            .map((version) => ({ product, version })),
        )
        .sort(
          (one, other) =>
            one.version.publishedAt.getTime() - other.version.publishedAt.getTime() ||
            compareText(one.product.name, other.product.name) ||
            compareText(one.version.serial, other.version.serial),
        );
      const newest = new Map<ProductWithVersions, ReadyVersion>();
      for (const { product, version } of events) {
        if (version.serial < (newest.get(product)?.serial ?? '')) continue;
        newest.set(product, version);
        yield indexOf([...newest.values()].map(({ documents }) => documents).sort(byPlatform));
      }
    }
  }
}

/** The versions of a product that have a layer, oldest first. */
function* readyVersions(
  { architecture, versions }: ProductWithVersions,
  layers: ReadonlyMap<string, Layer>,
): Generator<ReadyVersion> {
  for (const { serial, publishedAt, items } of versions) {
    const layer = items.map(({ digest }) => layers.get(digest)).find((found) => found !== undefined);
    if (layer === undefined) continue;
    yield { serial, publishedAt, layer, documents: describeVersion({ architecture, serial }, layer) };
  }
}

function byPlatform({ platform: one }: VersionDocuments, { platform: other }: VersionDocuments): number {
  return (
    compareText(one.architecture, other.architecture) || compareText(one.variant ?? '', other.variant ?? '')
  );
}
