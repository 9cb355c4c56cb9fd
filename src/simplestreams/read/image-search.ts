import { HeadwaterError } from '../../errors.ts';
import { type Architecture, parseArchitecture } from '../../model/architecture.ts';
import { compareText } from '../../model/compare.ts';
import type { ImageType } from '../../model/item-types.ts';
import { impliedAliases } from '../../model/names.ts';
import type { OfferedProduct, OfferedRoot, OfferedVersion } from './offered.ts';

/** A reference to an image of an upstream, as clients name it. */
export interface WantedImage {
  /** An alias, also with `/ARCHITECTURE` behind it, or the first six digits of a fingerprint or more. */
  reference: string;
  /** If omitted, a container, if there is one. */
  type?: ImageType;
  architecture: Architecture;
}

/** An image of an upstream. */
export interface FoundImage {
  product: OfferedProduct;
  version: OfferedVersion;
  root: OfferedRoot;
}

/** Looks for one image in the documents of an upstream, as clients do: the newest version to which an alias points. */
export class ImageSearch {
  readonly #wanted: WantedImage;
  readonly #upstream: string;
  readonly #named: OfferedProduct[] = [];
  /** Those whose alias it is without the architecture at its end. */
  readonly #namedShorter: OfferedProduct[] = [];
  readonly #byFingerprint: FoundImage[] = [];

  /** @param upstream its name in messages */
  constructor(wanted: WantedImage, upstream: string) {
    this.#wanted = wanted;
    this.#upstream = upstream;
  }

  /** Adds the offers of a document. */
  look(offered: OfferedProduct[]): void {
    const { reference } = this.#wanted;
    const shorter = withoutArchitecture(reference);
    const prefix = /^[0-9a-f]{6,64}$/i.test(reference) ? reference.toLowerCase() : undefined;
    for (const product of offered) {
      if (isCalled(product, reference)) this.#named.push(product);
      else if (
        shorter !== undefined &&
        product.key.architecture === shorter.architecture &&
        isCalled(product, shorter.alias)
      ) {
        this.#namedShorter.push(product);
      }
      if (prefix === undefined) continue;
      for (const version of product.versions) {
        for (const root of version.roots) {
          if (root.fingerprint?.startsWith(prefix)) this.#byFingerprint.push({ product, version, root });
        }
      }
    }
  }

  /** @throws HeadwaterError `not-found`, with the available alternatives; `invalid` for an ambiguous fingerprint */
  result(): FoundImage {
    const { reference, architecture } = this.#wanted;
    if (this.#named.length > 0) {
      const ours = this.#named.filter(({ key }) => key.architecture === architecture);
      if (ours.length > 0) return this.#newest(ours);
      const others = [...new Set(this.#named.map(({ key }) => key.architecture))].sort();
      throw this.#notFound(
        `${reference} exists for ${others.join(', ')}, not for ${architecture}: ask for ${reference}/${others[0]}`,
      );
    }
    if (this.#namedShorter.length > 0) return this.#newest(this.#namedShorter);
    const [first, ...more] = this.#byFingerprint;
    if (first === undefined) throw this.#notFound(`there is no image named ${reference}`);
    if (more.some(({ root }) => root.fingerprint !== first.root.fingerprint)) {
      throw new HeadwaterError('invalid', `${this.#upstream}: more than one image begins with ${reference}`);
    }
    return first;
  }

  #newest(products: OfferedProduct[]): FoundImage {
    const { type, reference } = this.#wanted;
    const images = products.flatMap((product) =>
      product.versions.flatMap((version) => version.roots.map((root) => ({ product, version, root }))),
    );
    const of = (wanted: ImageType) => images.filter(({ root }) => root.type === wanted);
    const containers = of('container');
    const fitting = type === undefined ? (containers.length > 0 ? containers : images) : of(type);
    // Of the roots of one version the first is the one that clients prefer: the sort is stable.
    const [newest] = fitting.sort((one, other) => compareText(other.version.serial, one.version.serial));
    if (newest !== undefined) return newest;
    throw this.#notFound(
      `${reference} exists, but not as a ${type}: ${type === 'container' ? 'ask with --vm' : 'ask without --vm'}`,
    );
  }

  #notFound(what: string): HeadwaterError {
    return new HeadwaterError('not-found', `${this.#upstream}: ${what}`);
  }
}

function isCalled({ key, details }: OfferedProduct, alias: string): boolean {
  return details.aliases?.includes(alias) === true || impliedAliases(key).includes(alias.toLowerCase());
}

function withoutArchitecture(reference: string): { alias: string; architecture: Architecture } | undefined {
  const [, alias, last = ''] = /^(.+)\/([^/]+)$/.exec(reference) ?? [];
  if (alias === undefined) return undefined;
  try {
    return { alias, architecture: parseArchitecture(last) };
  } catch (error) {
    if (error instanceof HeadwaterError) return undefined;
    throw error;
  }
}
