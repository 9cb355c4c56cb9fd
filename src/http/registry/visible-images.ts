import type { Catalog } from '../../catalog/catalog.ts';
import type { Image, ImageAlias } from '../../catalog/images.ts';
import { isUnnamed } from '../../catalog/push-names.ts';
import { HeadwaterError } from '../../errors.ts';
import { parseArchitecture } from '../../image/architecture.ts';
import type { Access, Identity, Named } from '../access.ts';
import { type ImageView, isVirtualMachine, viewImage } from './image-view.ts';

/** An image that somebody may see. */
export interface VisibleImage {
  image: Image;
  view: ImageView;
}

/** What an alias leads to. */
export interface VisibleAlias {
  name: string;
  description: string;
  image: Image;
}

/** Finds images and aliases for somebody, and only what that somebody may see. */
export class VisibleImages {
  readonly #catalog: Catalog;
  readonly #access: Access;

  constructor(parts: { catalog: Catalog; access: Access }) {
    this.#catalog = parts.catalog;
    this.#access = parts.access;
  }

  /**
   * The image whose fingerprint begins with `prefix`, of six digits or more: fewer are a guess.
   * @param options.unlocked a fingerprint that the client knows the secret of: seen whether or not it is private
   * @throws HeadwaterError `not-found`, also for what may not be seen; `invalid` when several begin so
   */
  async find(identity: Identity, prefix: string, options: { unlocked?: string } = {}): Promise<VisibleImage> {
    if (!/^[0-9a-f]{6,64}$/i.test(prefix)) throw notFound();
    const images = (await this.#catalog.images.find(prefix.toLowerCase())).filter(
      (image) => image.fingerprint === options.unlocked || this.maySee(identity, image),
    );
    const fingerprints = new Set(images.map(({ fingerprint }) => fingerprint));
    if (fingerprints.size > 1) {
      throw new HeadwaterError('invalid', `More than one image matches: give more digits than ${prefix}`);
    }
    const found = this.#merge(identity, images);
    if (found === undefined) throw notFound();
    return found;
  }

  /** Every image, in the order of fingerprints. */
  async *each(identity: Identity): AsyncGenerator<VisibleImage> {
    let same: Image[] = [];
    for await (const image of this.#catalog.images.each()) {
      if (!this.maySee(identity, image)) continue;
      if (same[0] !== undefined && same[0].fingerprint !== image.fingerprint) {
        const found = this.#merge(identity, same);
        if (found !== undefined) yield found;
        same = [];
      }
      same.push(image);
    }
    const found = this.#merge(identity, same);
    if (found !== undefined) yield found;
  }

  /**
   * What an alias leads to: of several images the one of the client's architecture, a container rather than a virtual
   * machine. `ALIAS/ARCHITECTURE` asks for another.
   * @param architecture any name of it
   */
  async resolve(
    identity: Identity,
    name: string,
    architecture: string | undefined,
  ): Promise<VisibleAlias | undefined> {
    const direct = await this.#resolve(identity, name, debianName(architecture));
    if (direct !== undefined) return direct;
    const [, shorter, last] = /^(.+)\/([^/]+)$/.exec(name) ?? [];
    const wanted = debianName(last);
    if (shorter === undefined || wanted === undefined) return undefined;
    const found = await this.#resolve(identity, shorter, wanted);
    return found?.image.product.architecture === wanted ? { ...found, name } : undefined;
  }

  async #resolve(
    identity: Identity,
    name: string,
    architecture: string | undefined,
  ): Promise<VisibleAlias | undefined> {
    const images = (await this.#catalog.images.byAlias(name)).filter(
      (image) =>
        this.maySee(identity, image) && this.aliases(identity, image).some((alias) => alias.name === name),
    );
    const rank = (image: Image) =>
      (image.product.architecture === architecture ? 0 : 2) + (isVirtualMachine(image) ? 1 : 0);
    const [image] = images.sort((one, other) => rank(one) - rank(other));
    const alias = image && this.aliases(identity, image).find((candidate) => candidate.name === name);
    return image === undefined || alias === undefined ? undefined : { ...alias, image };
  }

  /** The aliases that are seen on an image. */
  aliases(identity: Identity, image: Image): ImageAlias[] {
    const leads = this.#maySeeHidden(identity, image) ? image.newest : image.newestShown;
    const all = [...image.aliases.pinned, ...(leads ? image.aliases.following : [])];
    return all.sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  maySee(identity: Identity, image: Image): boolean {
    if (image.hidden) return this.#maySeeHidden(identity, image);
    return this.#access.mayRead(identity, image.product.stream, namesOf(image));
  }

  #maySeeHidden(identity: Identity, image: Image): boolean {
    return this.#access.mayReadHidden(identity, image.product.stream, namesOf(image));
  }

  /** One image that may be there several times, in different streams: seen as the one that can be edited. */
  #merge(identity: Identity, images: Image[]): VisibleImage | undefined {
    const [image] = images.sort(
      (one, other) => Number(other.pushed !== undefined) - Number(one.pushed !== undefined),
    );
    if (image === undefined) return undefined;
    const aliases = new Map(
      images.flatMap((each) => this.aliases(identity, each)).map((alias) => [alias.name, alias]),
    );
    const isPublic = images.some((each) => !each.hidden && this.#access.isPublic(each.product.stream));
    return { image, view: viewImage(image, { public: isPublic, aliases: [...aliases.values()] }) };
  }
}

/** What patterns of names are matched with. An image that has no name yet is open to all of them. */
export function namesOf({ product, aliases }: Image): Named | undefined {
  const names = [...aliases.pinned, ...aliases.following].map(({ name }) => name);
  return names.length === 0 && isUnnamed(product) ? undefined : { product, aliases: names };
}

function debianName(architecture: string | undefined): string | undefined {
  try {
    return architecture === undefined ? undefined : parseArchitecture(architecture);
  } catch (error) {
    if (error instanceof HeadwaterError) return undefined;
    throw error;
  }
}

function notFound(): HeadwaterError {
  return new HeadwaterError('not-found', 'Image not found');
}
