import { readable } from '../../access/readable.ts';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import type { ProductWithVersions } from '../../model/versions.ts';
import { type Context, identityOf, parameter, type Routes } from '../context.ts';
import { single, wholeNumber } from './query.ts';
import type { ApiServices } from './services.ts';
import { seesStream } from './visible-streams.ts';

/** How many products a page has unless the client asks for fewer. */
const pageSize = 500;
const filters = ['stream', 'os', 'release', 'architecture', 'variant'] as const;

/** Reading: streams, products with their versions, images by fingerprint. */
export function productRoutes(router: Routes, services: ApiServices): void {
  const { catalog, access } = services;
  const seen = (context: Context, product: ProductWithVersions) =>
    readable(access, identityOf(context), product);

  router.get('/streams', async (context) => {
    const identity = identityOf(context);
    const streams = [];
    for (const name of await catalog.products.streams()) {
      if (await seesStream(services, identity, name)) streams.push({ name, public: access.isPublic(name) });
    }
    context.body = { streams };
  });

  router.get('/products', async (context) => {
    const limit = wholeNumber(context, 'limit', { least: 1, most: pageSize }) ?? pageSize;
    const matching = filterOf(context);
    const alias = single(context, 'alias');
    if (alias !== undefined) {
      const products = await catalog.products.byAlias(alias);
      context.body = {
        products: products.flatMap((product) => seen(context, product) ?? []).filter(matching),
      };
      return;
    }
    const stream = single(context, 'stream');
    const after = single(context, 'after');
    const products: ProductWithVersions[] = [];
    const query = defined({ stream, after });
    for await (const each of catalog.products.each(query)) {
      const product = seen(context, each);
      if (product === undefined || !matching(product)) continue;
      products.push(product);
      if (products.length === limit) break;
    }
    const last = products.length === limit ? products.at(-1) : undefined;
    context.body = { products, ...defined({ next: last?.name }) };
  });

  router.get('/products/:product', async (context) => {
    const name = parameter(context, 'product');
    const found = await catalog.products.find(name);
    const product = found && seen(context, found);
    if (product === undefined) {
      throw new HeadwaterError('not-found', `there is no product ${name}`);
    }
    context.body = product;
  });

  router.get('/images/:fingerprint', async (context) => {
    const prefix = parameter(context, 'fingerprint').toLowerCase();
    if (!/^[0-9a-f]{6,64}$/.test(prefix)) {
      throw new HeadwaterError('invalid', 'fingerprint: give 6 to 64 hexadecimal digits');
    }
    const images = await catalog.products.byFingerprint(prefix);
    const visible = [];
    for (const image of images) {
      const found = await catalog.products.find(image.product);
      const product = found && seen(context, found);
      if (product?.versions.some(({ serial }) => serial === image.serial)) visible.push(image);
    }
    context.body = { images: visible };
  });
}

function filterOf(context: Context): (product: ProductWithVersions) => boolean {
  const wanted = filters.flatMap((field) => {
    const value = single(context, field);
    return value === undefined ? [] : [{ field, value }];
  });
  return (product) => wanted.every(({ field, value }) => product[field] === value);
}
