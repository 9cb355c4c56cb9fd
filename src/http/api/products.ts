import { isAdministrator } from '../../access/access.ts';
import { readable } from '../../access/readable.ts';
import { toldProvenance } from '../../access/told-provenance.ts';
import { seesStream } from '../../access/visible-streams.ts';
import type { ProductQuery } from '../../catalog/products/products.ts';
import { HeadwaterError } from '../../errors.ts';
import { ambiguous } from '../../model/ambiguous.ts';
import { defined } from '../../model/defined.ts';
import { inStream } from '../../model/names.ts';
import type { ProductWithVersions } from '../../model/versions.ts';
import { type Context, identityOf, parameter, type RouteContext, type Routes } from '../context.ts';
import { flag, single, wholeNumber } from './query.ts';
import type { ApiServices } from './services.ts';

/** How many products a page has unless the client asks for fewer. */
const pageSize = 500;
const filters = ['stream', 'os', 'release', 'architecture', 'variant'] as const;

/** Reading: streams, products with their versions, images by fingerprint. */
export function productRoutes(router: Routes, services: ApiServices): void {
  router.get('/streams', (context) => listStreams(context, services));
  router.get('/products', (context) => listProducts(context, services));
  router.get('/products/:product', (context) => getProduct(context, services));
  router.get('/images/:fingerprint', (context) => findImages(context, services));
}

async function listStreams(context: Context, services: ApiServices): Promise<void> {
  const { catalog, access } = services;
  const identity = identityOf(context);
  const streams = [];
  for (const name of await catalog.products.streams()) {
    if (await seesStream(services, identity, name)) streams.push({ name, public: access.isPublic(name) });
  }
  context.body = { streams };
}

/** The products of an alias or a name, or else a page of all. */
async function listProducts(context: Context, { catalog, access }: ApiServices): Promise<void> {
  const limit = wholeNumber(context, 'limit', { min: 1, max: pageSize }) ?? pageSize;
  const identity = identityOf(context);
  const matches = filterOf(context);
  const alias = single(context, 'alias');
  const name = single(context, 'name');
  if (alias !== undefined || name !== undefined) {
    const { products: all } = catalog;
    const named = alias === undefined ? await all.named(name ?? '') : await all.byAlias(alias);
    const products = named.flatMap((product) => readable(access, identity, product) ?? []).filter(matches);
    context.body = { products };
    return;
  }
  const stream = single(context, 'stream');
  const after = positionOf(single(context, 'after'));
  const products: ProductWithVersions[] = [];
  for await (const each of catalog.products.each(defined({ stream, after }))) {
    const product = readable(access, identity, each);
    if (product === undefined || !matches(product)) continue;
    products.push(product);
    if (products.length === limit) break;
  }
  const last = products.length === limit ? products.at(-1) : undefined;
  context.body = { products, ...defined({ next: last && inStream(last.stream, last.name) }) };
}

async function getProduct(context: RouteContext, services: ApiServices): Promise<void> {
  const product = await demandProduct(context, services);
  if (!flag(context, 'provenance')) {
    context.body = product;
    return;
  }
  const { stream, name } = product;
  const options = { isAdministrator: isAdministrator(identityOf(context)) };
  const all = await services.catalog.evidence.ofProduct({ stream, product: name });
  const told = new Map(all.map((one) => [one.serial, toldProvenance(one, options)]));
  const versions = product.versions.map((version) => ({
    ...version,
    ...defined({ provenance: told.get(version.serial) }),
  }));
  context.body = { ...product, versions };
}

async function findImages(context: RouteContext, { catalog, access }: ApiServices): Promise<void> {
  const prefix = parameter(context, 'fingerprint').toLowerCase();
  if (!/^[0-9a-f]{6,64}$/.test(prefix)) {
    throw new HeadwaterError('invalid', 'fingerprint: give 6 to 64 hexadecimal digits');
  }
  const visible = [];
  for (const image of await catalog.products.byFingerprint(prefix)) {
    const holder = await catalog.products.find({ stream: image.stream, name: image.product });
    const product = holder && readable(access, identityOf(context), holder);
    if (product?.versions.some(({ serial }) => serial === image.serial)) visible.push(image);
  }
  context.body = { images: visible };
}

/** Where a page begins: behind the product that `next` of the page before names, or behind all of a name. */
function positionOf(after: string | undefined): ProductQuery['after'] {
  if (after === undefined) return undefined;
  const [, stream, name] = /^([^/]*)\/(.*)$/.exec(after) ?? [];
  return stream === undefined || name === undefined ? { name: after } : { name, stream };
}

function filterOf(context: Context): (product: ProductWithVersions) => boolean {
  const wanted = filters.flatMap((field) => {
    const value = single(context, field);
    return value === undefined ? [] : [{ field, value }];
  });
  return (product) => wanted.every(({ field, value }) => product[field] === value);
}

/**
 * The product that a request names, as far as the client may read it: `stream` of the query tells those of one name apart.
 * @throws HeadwaterError `not-found`; `conflict` when several streams have it and none is named
 */
export async function demandProduct(
  context: RouteContext,
  { catalog, access }: Pick<ApiServices, 'catalog' | 'access'>,
): Promise<ProductWithVersions> {
  const name = parameter(context, 'product');
  const stream = single(context, 'stream');
  const seen = (await catalog.products.named(name))
    .filter((product) => stream === undefined || product.stream === stream)
    .flatMap((product) => readable(access, identityOf(context), product) ?? []);
  const [only] = seen;
  if (only === undefined) throw new HeadwaterError('not-found', `there is no product ${name}`);
  if (seen.length > 1) throw ambiguous('product', name, seen);
  return only;
}
