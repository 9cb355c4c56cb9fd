import type { Access, Identity } from '../access/access.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Image, ImageAlias } from '../catalog/images/images.ts';
import { HeadwaterError } from '../errors.ts';
import { parseArchitecture } from '../model/architecture.ts';
import { compareText } from '../model/compare.ts';
import { type ImageView, imageType, viewImage } from './image-view.ts';

/** An image that an identity may see. */
export interface VisibleImage {
  /** The version that is shown. */
  image: Image;
  /** All visible versions with the same bytes, the shown one first. */
  images: Image[];
  view: ImageView;
}

/** The target of an alias. */
export interface VisibleAlias {
  name: string;
  description: string;
  image: Image;
}

/** Finds images and aliases for an identity, and only those that it may see. */
export class VisibleImages {
  readonly #catalog: Catalog;
  readonly #access: Access;

  constructor(services: { catalog: Catalog; access: Access }) {
    this.#catalog = services.catalog;
    this.#access = services.access;
  }

  /**
   * The image whose fingerprint begins with `prefix`, which has at least six digits: fewer would be a guess.
   * @throws HeadwaterError `not-found`, also when the identity may not see the image; `invalid` when several match
   */
  async find(identity: Identity, prefix: string): Promise<VisibleImage> {
    if (!/^[0-9a-f]{6,64}$/i.test(prefix)) throw notFound();
    const images = (await this.#catalog.images.find(prefix.toLowerCase())).filter((image) =>
      this.maySee(identity, image),
    );
    const fingerprints = new Set(images.map(({ fingerprint }) => fingerprint));
    if (fingerprints.size > 1) {
      throw new HeadwaterError('invalid', `More than one image matches: give more digits than ${prefix}`);
    }
    const image = this.#merge(identity, images);
    if (image === undefined) throw notFound();
    return image;
  }

  /** Every image, sorted by fingerprint. */
  async *each(identity: Identity): AsyncGenerator<VisibleImage> {
    let same: Image[] = [];
    for await (const image of this.#catalog.images.each()) {
      if (!this.maySee(identity, image)) continue;
      if (same[0] !== undefined && same[0].fingerprint !== image.fingerprint) {
        const merged = this.#merge(identity, same);
        if (merged !== undefined) yield merged;
        same = [];
      }
      same.push(image);
    }
    const merged = this.#merge(identity, same);
    if (merged !== undefined) yield merged;
  }

  /**
   * The target of an alias. Of several images, this is the one of the client's architecture, a container rather than a
   * virtual machine, and if several streams have the alias, the newest version, as simplestreams clients choose.
   * `ALIAS/ARCHITECTURE` asks for another architecture.
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
    const alias = await this.#resolve(identity, shorter, wanted);
    return alias?.image.product.architecture === wanted ? { ...alias, name } : undefined;
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
      (image.product.architecture === architecture ? 0 : 2) + (imageType(image) === 'container' ? 0 : 1);
    const [image] = images.sort((one, other) => rank(one) - rank(other) || compareAcrossStreams(one, other));
    const alias = image && this.aliases(identity, image).find((candidate) => candidate.name === name);
    return image === undefined || alias === undefined ? undefined : { ...alias, image };
  }

  /**
   * The aliases of an image that an identity may see: all if the image is public or the identity has a right to it,
   * otherwise those that the identity has a right to.
   */
  aliases(identity: Identity, image: Image): ImageAlias[] {
    const { pinned, following } = image.aliases;
    const isOwn = this.#access.may(identity, 'read', image.own);
    const all = [...pinned, ...((isOwn ? image.newest : image.newestShown) ? following : [])];
    const { stream } = image.product;
    const seen =
      isOwn || this.#isPublic(image)
        ? all
        : all.filter(({ name }) => this.#access.may(identity, 'read', { stream, names: [name] }));
    return seen.sort((one, other) => compareText(one.name, other.name));
  }

  /**
   * Whether an identity may see an image: everyone sees a public one, others need a right to it or to one of its
   * aliases.
   */
  maySee(identity: Identity, image: Image): boolean {
    if (this.#isPublic(image) || this.#access.may(identity, 'read', image.own)) return true;
    const names = [...image.aliases.pinned, ...image.aliases.following].map(({ name }) => name);
    return this.#access.may(identity, 'read', { stream: image.product.stream, names });
  }

  #isPublic(image: Image): boolean {
    return !image.hidden && this.#access.isPublic(image.product.stream);
  }

  /**
   * One image that may exist in several products: the version that the identity may edit is shown, a public one before
   * others. A listing with other files that only claims the fingerprint is left out.
   */
  #merge(identity: Identity, images: Image[]): VisibleImage | undefined {
    const rank = (image: Image) =>
      (image.isComputed ? 8 : 0) +
      (this.#access.may(identity, 'publish', image.own) ? 4 : 0) +
      (image.pushed === undefined ? 0 : 2) +
      (image.hidden ? 0 : 1);
    const [image, ...others] = images.sort((one, other) => rank(other) - rank(one));
    if (image === undefined) return undefined;
    const same = [image, ...others.filter((other) => haveSameFiles(image, other))];
    const aliases = new Map(
      same.flatMap((each) => this.aliases(identity, each)).map((alias) => [alias.name, alias]),
    );
    const view = viewImage(image, { public: this.#isPublic(image), aliases: [...aliases.values()] });
    return { image, images: same, view };
  }
}

function haveSameFiles(one: Image, other: Image): boolean {
  return one.root.digest === other.root.digest && one.metadata?.digest === other.metadata?.digest;
}

/** Sorts the images to which an alias of several streams points. Images of one stream keep their order. */
function compareAcrossStreams(one: Image, other: Image): number {
  return (
    compareText(one.product.architecture, other.product.architecture) ||
    (one.product.stream === other.product.stream ? 0 : compareText(other.serial, one.serial)) ||
    compareText(one.product.stream, other.product.stream)
  );
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
