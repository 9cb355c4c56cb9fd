import type { Access, Identity } from '../access/access.ts';
import { readable } from '../access/readable.ts';
import { ExpiringMap } from '../async/expiring-map.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { isPushed } from '../catalog/products/ownership.ts';
import { compareText } from '../model/compare.ts';
import { impliedAliases } from '../model/names.ts';
import type { ProductWithVersions } from '../model/versions.ts';
import type { OciDocument } from './documents.ts';
import { findLayers, findManifests } from './layers.ts';
import { isRepositoryName, placesOf, type RepositoryPlace, repositoryAt } from './names.ts';
import { manifestKey, Repository, type RepositoryBlob, type RepositoryContent } from './repository.ts';

/** How long a repository is remembered in which nothing changes, in milliseconds, and how many are. */
const keptFor = 60_000;
const keptRepositories = 100;
/** How many products are looked at together. */
const batchSize = 200;

/** A repository at one revision of the catalog. */
interface Remembered {
  revision: number;
  content: RepositoryContent;
  /** For those who may read the whole stream. */
  whole: Repository;
}

/** A blob of a repository. */
interface VisibleBlob {
  blob: RepositoryBlob;
  /** Whether everyone may read it. */
  isPublic: boolean;
}

/** A repository, as an identity may see it. */
export interface VisibleRepository {
  /** Sorted by their bytes. */
  tags: string[];
  /** The index to which a tag points. */
  tagged(tag: string): OciDocument | undefined;
  /** @param digest `sha256:` and the digest of a manifest or an index */
  document(digest: string): OciDocument | undefined;
  /** @param digest `sha256:` and the digest of a layer or a config */
  blob(digest: string): VisibleBlob | undefined;
}

/** Finds repositories for an identity, and only the part of them that it may see. */
export class VisibleRepositories {
  readonly #catalog: Catalog;
  readonly #access: Access;
  readonly #remembered = new ExpiringMap<string, Promise<Remembered>>(keptFor, {
    maxEntries: keptRepositories,
  });

  #public: { revision: number; names: Promise<string[]> } | undefined;

  constructor(services: { catalog: Catalog; access: Access }) {
    this.#catalog = services.catalog;
    this.#access = services.access;
  }

  /** @returns undefined where there is no repository, or none that the identity may see */
  async find(identity: Identity, name: string): Promise<VisibleRepository | undefined> {
    const found: { repository: Repository; isPublic: boolean }[] = [];
    for (const place of placesOf(name)) {
      const repository = await this.#open(identity, place);
      const isPublic = this.#access.isPublic(place.stream);
      if (repository !== undefined) found.push({ repository, isPublic });
    }
    if (found.length === 0) return undefined;
    const all = found.map(({ repository }) => repository);
    return {
      tags: [...new Set(all.flatMap(({ tags }) => tags))].sort(compareText),
      tagged: (tag) => first(all, (repository) => repository.tagged(tag)),
      document: (digest) => first(all, (repository) => repository.document(digest)),
      blob: (digest) =>
        first(found, ({ repository, isPublic }) => {
          const blob = repository.blob(digest);
          return blob === undefined ? undefined : { blob, isPublic };
        }),
    };
  }

  /** The names of all repositories that have something to pull for an identity, sorted. */
  async names(identity: Identity): Promise<string[]> {
    const { revision } = this.#catalog.repositories;
    if (identity === undefined && this.#public?.revision === revision) return await this.#public.names;
    const names = this.#findNames(identity);
    if (identity === undefined) {
      this.#public = { revision, names };
      names.catch(() => {
        this.#public = undefined;
      });
    }
    return await names;
  }

  async #findNames(identity: Identity): Promise<string[]> {
    const names = new Set<string>();
    let batch: ProductWithVersions[] = [];
    const take = async () => {
      const layers = await findLayers(this.#catalog, batch);
      const manifests = new Set((await findManifests(this.#catalog, batch)).keys());
      for (const product of batch) {
        const isReady = product.versions.some(
          ({ serial, items }) =>
            manifests.has(manifestKey({ ...product, serial })) ||
            items.some(({ digest }) => layers.has(digest)),
        );
        if (!isReady) continue;
        for (const path of pathsOf(product)) names.add(repositoryAt({ stream: product.stream, path }));
      }
      batch = [];
    };
    for await (const each of this.#catalog.products.each({ forDocuments: true })) {
      const product = readable(this.#access, identity, each);
      if (product !== undefined) batch.push(product);
      if (batch.length === batchSize) await take();
    }
    await take();
    return [...names].filter(isRepositoryName).sort(compareText);
  }

  async #open(identity: Identity, place: RepositoryPlace): Promise<Repository | undefined> {
    const { content, whole } = await this.#remember(place);
    const { stream } = place;
    // Documents are served completely by the same rule.
    if (this.#access.mayRead(identity, { stream, names: [] })) {
      return content.fetchable.length === 0 ? undefined : whole;
    }
    const visible = (products: readonly ProductWithVersions[]) =>
      products.flatMap((product) => readable(this.#access, identity, product) ?? []);
    const fetchable = visible(content.fetchable);
    if (fetchable.length === 0) return undefined;
    return new Repository({ ...content, listed: visible(content.listed), fetchable });
  }

  async #remember(place: RepositoryPlace): Promise<Remembered> {
    const key = JSON.stringify(place);
    const { revision } = this.#catalog.repositories;
    const known = await this.#remembered.get(key);
    if (known?.revision === revision) return known;
    const reading = this.#read(place, revision);
    this.#remembered.set(key, reading);
    try {
      return await reading;
    } catch (error) {
      this.#remembered.delete(key);
      throw error;
    }
  }

  async #read({ stream, path }: RepositoryPlace, revision: number): Promise<Remembered> {
    const { repositories } = this.#catalog;
    const fetchable = await repositories.products(stream, path, { removed: true });
    const listed =
      fetchable.length === 0 ? [] : await repositories.products(stream, path, { removed: false });
    const layers = await findLayers(this.#catalog, fetchable);
    const manifests = await findManifests(this.#catalog, fetchable);
    const content = { path, listed, fetchable, layers, manifests };
    return { revision, content, whole: new Repository(content) };
  }
}

/** The paths of the repositories that have a product. */
function pathsOf(product: ProductWithVersions): string[] {
  const aliases = [...product.aliases, ...product.pins.map(({ alias }) => alias)];
  const implied = impliedAliases(product);
  return [
    ...(isPushed(product) ? [] : [product.os]),
    ...aliases
      .filter((alias) => !implied.includes(alias))
      .map((alias) => (alias.includes('/') ? alias.slice(0, alias.lastIndexOf('/')) : alias)),
  ];
}

function first<Item, Found>(
  items: readonly Item[],
  look: (item: Item) => Found | undefined,
): Found | undefined {
  for (const item of items) {
    const found = look(item);
    if (found !== undefined) return found;
  }
  return undefined;
}
