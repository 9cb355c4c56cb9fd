import type { ManifestRecord } from '../catalog/images/repositories.ts';
import { compareText } from '../model/compare.ts';
import type { ProductWithVersions } from '../model/versions.ts';
import {
  describeVersion,
  indexOf,
  type Layer,
  type OciDocument,
  pushedDocuments,
  type VersionDocuments,
} from './documents.ts';
import { type TagTarget, tagsOf } from './tags.ts';

/** A version with a layer. */
interface ReadyVersion {
  serial: string;
  publishedAt: Date;
  layer: Pick<Layer, 'digest' | 'size'>;
  documents: VersionDocuments;
  /** Those of other manifests with which the same version was pushed before. */
  older: VersionDocuments[];
  /** Whether a client has pushed it with a manifest. */
  isPushed: boolean;
}

/** A blob of a repository: a layer in the store, or a small document. */
export type RepositoryBlob = OciDocument | StoredLayer;

/** A layer, and when its version was published. */
interface StoredLayer extends Pick<Layer, 'digest' | 'size'> {
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
  /** The manifests with which versions were pushed, by {@link manifestKey}, the last one first. */
  manifests: ReadonlyMap<string, readonly ManifestRecord[]>;
}

/** Tells a version from the others. */
export function manifestKey({
  stream,
  name,
  serial,
}: {
  stream: string;
  name: string;
  serial: string;
}): string {
  return JSON.stringify([stream, name, serial]);
}

/** What one client may see of a repository. Versions whose layer does not exist (yet) are no part of it. */
export class Repository {
  readonly #path: string;
  readonly #versions: ReadonlyMap<ProductWithVersions, ReadyVersion[]>;
  readonly #fetchable: ReadonlyMap<ProductWithVersions, ReadyVersion[]>;
  readonly #targets: ReadonlyMap<string, TagTarget>;
  readonly #manifests = new Map<string, OciDocument>();
  readonly #blobs = new Map<string, RepositoryBlob>();
  readonly #tagged = new Map<string, OciDocument | undefined>();
  #history: Map<string, OciDocument> | undefined;

  constructor({ path, listed, fetchable, ...content }: RepositoryContent) {
    const ready = (products: readonly ProductWithVersions[]) =>
      new Map(products.map((product) => [product, [...readyVersions(product, content)]]));
    this.#path = path;
    this.#versions = ready(listed);
    this.#fetchable = ready(fetchable);
    this.#targets = tagsOf(path, listed);
    for (const version of [...this.#fetchable.values()].flat()) {
      const { layer, publishedAt } = version;
      this.#blobs.set(`sha256:${layer.digest}`, { ...layer, publishedAt });
      for (const { manifest, config } of [version.documents, ...version.older]) {
        this.#manifests.set(manifest.digest, manifest);
        this.#blobs.set(config.digest, config);
      }
    }
  }

  /** Sorted by their bytes. */
  get tags(): string[] {
    return [...this.#targets.keys()].filter((tag) => this.tagged(tag) !== undefined);
  }

  /** The index to which a tag points, or the manifest of an image that was pushed for one architecture only. */
  tagged(tag: string): OciDocument | undefined {
    if (this.#tagged.has(tag)) return this.#tagged.get(tag);
    const target = this.#targets.get(tag);
    const document = target === undefined ? undefined : this.#documentOf(target);
    this.#tagged.set(tag, document);
    return document;
  }

  /**
   * The manifest or index with a digest, also of a version that is only fetchable. An index to which a tag has pointed is
   * found as long as all of its versions are fetchable.
   */
  document(digest: string): OciDocument | undefined {
    const manifest = this.#manifests.get(digest);
    if (manifest !== undefined) return manifest;
    for (const tag of this.#targets.keys()) {
      const current = this.tagged(tag);
      if (current?.digest === digest) return current;
    }
    this.#history ??= new Map([...this.#pastIndexes()].map((index) => [index.digest, index]));
    return this.#history.get(digest);
  }

  /** The layer or config with a digest, also of a version that is only fetchable. */
  blob(digest: string): RepositoryBlob | undefined {
    return this.#blobs.get(digest);
  }

  #documentOf({ products, serial }: TagTarget): OciDocument | undefined {
    const found = products.flatMap((product) => {
      const versions = this.#versions.get(product) ?? [];
      const version =
        serial === undefined ? versions.at(-1) : versions.find((each) => each.serial === serial);
      return version ?? [];
    });
    const [first, ...others] = found;
    if (first === undefined) return undefined;
    // Its sender knows it by the digest of the manifest.
    if (others.length === 0 && first.isPushed) return first.documents.manifest;
    return indexOf(found.map(({ documents }) => documents).sort(byPlatform));
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
  { stream, name, architecture, versions }: ProductWithVersions,
  { layers, manifests }: Pick<RepositoryContent, 'layers' | 'manifests'>,
): Generator<ReadyVersion> {
  for (const { serial, publishedAt, items } of versions) {
    const records = manifests.get(manifestKey({ stream, name, serial })) ?? [];
    const [documents, ...older] = records.map((record) => pushedDocuments(architecture, record));
    const root = items.find(({ type }) => type === 'root.tar.xz');
    if (documents !== undefined && root !== undefined) {
      yield { serial, publishedAt, layer: root, documents, older, isPushed: true };
      continue;
    }
    const layer = items.map(({ digest }) => layers.get(digest)).find((found) => found !== undefined);
    if (layer === undefined) continue;
    const own = describeVersion({ architecture, serial }, layer);
    yield { serial, publishedAt, layer, documents: own, older: [], isPushed: false };
  }
}

function byPlatform({ platform: one }: VersionDocuments, { platform: other }: VersionDocuments): number {
  return (
    compareText(one.architecture, other.architecture) || compareText(one.variant ?? '', other.variant ?? '')
  );
}
