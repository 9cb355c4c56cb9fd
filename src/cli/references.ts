import { HeadwaterError } from '../errors.ts';
import { ambiguous } from '../model/ambiguous.ts';
import { parseArchitecture } from '../model/architecture.ts';
import { inStream, parseSerial } from '../model/names.ts';
import type { ProductWithVersions } from '../model/versions.ts';
import type { Backend, FoundImage } from './backend/backend.ts';
import { type VersionView, viewsOf } from './view/version-view.ts';

/** The product and versions that a reference names. */
export interface Referent {
  product: ProductWithVersions;
  /** All versions of the product, oldest first, or the one that was named. */
  versions: VersionView[];
}

/**
 * Resolves a REF: an alias, `alias/architecture`, `os:release:architecture:variant` (each with `@serial`
 * for one version), or six or more digits of a fingerprint. An alias or a product can have its stream and a slash in front,
 * which is necessary if several streams have it.
 * @returns at least one product, each with at least one version, all of one stream
 * @throws HeadwaterError `not-found`; `conflict` when several streams have it and none is named, or when a fingerprint is too
 * short to tell images apart
 */
export async function resolveReference(backend: Backend, reference: string): Promise<Referent[]> {
  const [name = '', serialText, ...rest] = reference.split('@');
  if (name === '' || rest.length > 0) throw unknown(reference);
  const serial = serialText === undefined ? undefined : parseSerial(serialText);
  const products = await findProducts(backend, name);
  if (products.length === 0 && serial === undefined && /^[0-9a-f]{6,64}$/i.test(name)) {
    return [await byFingerprint(backend, name.toLowerCase())];
  }
  if (products.length === 0) throw unknown(reference);
  const referents = products
    .map((product) => ({
      product,
      versions: viewsOf(product).filter((version) => serial === undefined || version.serial === serial),
    }))
    .filter(({ versions }) => versions.length > 0);
  if (referents.length > 0) return referents;
  const serials = products.flatMap((product) => product.versions.map((version) => version.serial));
  throw new HeadwaterError(
    'not-found',
    serials.length === 0
      ? `${name} has no versions`
      : `${name} has no version ${serial}; it has ${[...new Set(serials)].join(', ')}`,
  );
}

async function findProducts(backend: Backend, name: string): Promise<ProductWithVersions[]> {
  const products = await findByName(backend, name);
  if (products.length > 0) return ofOneStream(products, name);
  const [, stream, rest] = /^([^/]+)\/(.+)$/.exec(name) ?? [];
  if (stream === undefined || rest === undefined) return [];
  return (await findByName(backend, rest)).filter((product) => product.stream === stream.toLowerCase());
}

/** The products of every stream that a name without a stream may mean. */
async function findByName(backend: Backend, name: string): Promise<ProductWithVersions[]> {
  const byAlias = await backend.productsByAlias(name);
  if (byAlias.length > 0) return byAlias;
  if (name.includes(':') && !name.includes('/')) {
    const products = await backend.productsNamed(productNameOf(name));
    if (products.length > 0) return products;
  }
  const [, alias, architecture] = /^(.+)\/([^/]+)$/.exec(name) ?? [];
  if (alias === undefined || architecture === undefined) return [];
  const wanted = architectureOf(architecture);
  return (await backend.productsByAlias(alias)).filter((product) => product.architecture === wanted);
}

/** @throws HeadwaterError `conflict` when the products of a name are in several streams */
function ofOneStream(products: ProductWithVersions[], name: string): ProductWithVersions[] {
  if (products.every(({ stream }) => stream === products[0]?.stream)) return products;
  throw ambiguous(name.includes(':') ? 'product' : 'alias', name, products);
}

/** The name of a product as in the catalog: lower case, with the Debian name of the architecture. */
function productNameOf(text: string): string {
  const [os = '', release = '', architecture = '', ...variant] = text.toLowerCase().split(':');
  return [os, release, architectureOf(architecture) ?? architecture, ...variant].join(':');
}

function architectureOf(name: string): string | undefined {
  try {
    return parseArchitecture(name);
  } catch {
    return undefined;
  }
}

async function byFingerprint(backend: Backend, prefix: string): Promise<Referent> {
  const images = await backend.imagesByFingerprint(prefix);
  const [first] = images;
  if (first === undefined) throw unknown(prefix);
  const isOther = (image: FoundImage) =>
    image.stream !== first.stream || image.product !== first.product || image.serial !== first.serial;
  if (images.some(({ fingerprint }) => fingerprint !== first.fingerprint)) {
    throw new HeadwaterError(
      'conflict',
      `${prefix} begins the fingerprints of ${images.length} images: ${images
        .slice(0, 3)
        .map(({ fingerprint }) => fingerprint.slice(0, prefix.length + 6))
        .join(', ')}${images.length > 3 ? ', …' : ''}; use more digits`,
    );
  }
  if (images.some(isOther)) {
    const places = images.map(({ stream, product, serial }) => `  ${inStream(stream, product)}@${serial}`);
    throw new HeadwaterError(
      'conflict',
      `the image ${prefix} is in ${images.length} versions: name one of these\n${places.join('\n')}`,
    );
  }
  const product = (await backend.productsNamed(first.product)).find(({ stream }) => stream === first.stream);
  const versions =
    product === undefined ? [] : viewsOf(product).filter(({ serial }) => serial === first.serial);
  if (product === undefined || versions.length === 0) throw unknown(prefix);
  return { product, versions };
}

function unknown(reference: string): HeadwaterError {
  return new HeadwaterError(
    'not-found',
    `no image matches ${JSON.stringify(reference)}. Use an alias, alias/architecture, os:release:architecture:variant (each with @serial for one version, and with STREAM/ in front if several streams have it), or 6 or more digits of a fingerprint; see "headwater list"`,
  );
}
