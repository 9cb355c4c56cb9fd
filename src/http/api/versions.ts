import { isAdministrator } from '../../access/access.ts';
import { HeadwaterError } from '../../errors.ts';
import { parseDigest } from '../../model/digest.ts';
import { impliedAliases, parseStream, productName } from '../../model/names.ts';
import { publish } from '../../publish/publisher.ts';
import type { PublishRequest } from '../../publish/request.ts';
import { catalogFor, destinationFor, identityOf, parameter, type Routes } from '../context.ts';
import { readBody } from './body.ts';
import { demandProduct } from './products.ts';
import { versionBody } from './schemas.ts';
import type { ApiServices } from './services.ts';
import { seesStream } from './visible-streams.ts';

/** Publishing versions of uploaded blobs, and removing them. */
export function versionRoutes(router: Routes, services: ApiServices): void {
  const { catalog, access, configuredStreams: configured } = services;

  router.post('/versions', async (context) => {
    access.demandAny(identityOf(context), 'publish');
    const { files, createStream, ...said } = await readBody(context.req, versionBody);
    const { stream = 'images' } = said;
    access.demand(identityOf(context), 'publish', { stream, isNamedByCaller: true });
    if (createStream !== true) {
      const identity = identityOf(context);
      const mayName = isAdministrator(identity);
      const isVisible = (name: string) => seesStream(services, identity, name);
      await catalog.streams.demand([parseStream(stream)], { configured, mayName, isVisible });
    }
    const request = {
      ...(said as Omit<PublishRequest, 'files'>),
      files: files.map(({ digest, name }) => ({
        from: 'blob' as const,
        name: name ?? digest,
        digest: parseDigest(digest),
      })),
    };
    const result = await publish(destinationFor(context, services), request, {
      permit: ({ product, stream, aliases }) => {
        const names = [productName(product), ...impliedAliases(product)];
        access.demand(identityOf(context), 'publish', { stream, names, isNamedByCaller: true });
        for (const { name: alias, ifTaken } of aliases)
          if (ifTaken === 'refuse')
            access.demand(identityOf(context), 'publish', { stream, names: [alias], isNamedByCaller: true });
      },
    });
    context.status = result.outcome === 'created' ? 201 : 200;
    const query = new URLSearchParams({ stream: result.stream });
    context.set('Location', `products/${encodeURIComponent(result.product)}?${query}`);
    context.body = result;
  });

  router.delete('/products/:product/versions/:serial', async (context) => {
    const identity = identityOf(context);
    const serial = parameter(context, 'serial');
    access.demandAny(identity, 'remove');
    const product = await demandProduct(context, services);
    const { stream, name } = product;
    if (!product.versions.some((version) => version.serial === serial)) {
      throw new HeadwaterError('not-found', `product ${name} has no version ${serial}`);
    }
    await catalogFor(context, services).versions.remove({ stream, name }, serial, new Date(), {
      withAliases: true,
    });
    context.status = 204;
  });
}
