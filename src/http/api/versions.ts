import { type Access, type Identity, isAdministrator } from '../../access/access.ts';
import { seesStream } from '../../access/visible-streams.ts';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { parseDigest } from '../../model/digest.ts';
import { impliedAliases, parseSerial, parseStream, productName } from '../../model/names.ts';
import { parseReason } from '../../model/reason.ts';
import type { VersionDraft } from '../../model/versions.ts';
import { publish } from '../../publish/publisher.ts';
import type { PublishRequest } from '../../publish/request.ts';
import {
  type Context,
  catalogFor,
  destinationFor,
  identityOf,
  parameter,
  type RouteContext,
  type Routes,
} from '../context.ts';
import { readBody } from './body.ts';
import { demandProduct } from './products.ts';
import { single } from './query.ts';
import { versionBody } from './schemas.ts';
import type { ApiServices } from './services.ts';

/** Publishing versions of uploaded blobs, and removing them. */
export function versionRoutes(router: Routes, services: ApiServices): void {
  router.post('/versions', (context) => publishVersion(context, services));
  router.delete('/products/:product/versions/:serial', (context) => removeVersion(context, services));
}

async function publishVersion(context: Context, services: ApiServices): Promise<void> {
  const identity = identityOf(context);
  services.access.demandAny(identity, 'publish');
  const { files, createStream, ...details } = await readBody(context.req, versionBody);
  const { stream = 'images' } = details;
  services.access.demand(identity, 'publish', { stream, isNamedByCaller: true });
  if (createStream !== true) await demandStream(stream, identity, services);
  const request: PublishRequest = {
    ...details,
    files: files.map(({ digest, name, fingerprint }) => ({
      from: 'blob',
      name: name ?? digest,
      digest: parseDigest(digest),
      ...(fingerprint === undefined ? {} : { expectedFingerprint: parseDigest(fingerprint) }),
    })),
  };
  const result = await publish(destinationFor(context, services), request, {
    permit: (draft) => demandNames(draft, identity, services.access),
  });
  context.status = result.outcome === 'created' ? 201 : 200;
  const query = new URLSearchParams({ stream: result.stream });
  context.set('Location', `products/${encodeURIComponent(result.product)}?${query}`);
  context.body = result;
}

/** @throws HeadwaterError when the stream does not exist, as far as the client may know */
async function demandStream(stream: string, identity: Identity, services: ApiServices): Promise<void> {
  const mayName = isAdministrator(identity);
  const isVisible = (name: string) => seesStream(services, identity, name);
  const { catalog, configuredStreams: configured } = services;
  await catalog.streams.demand([parseStream(stream)], { configured, mayName, isVisible });
}

/** @throws HeadwaterError `forbidden` when the client may not publish under the names that the metadata turned out to give */
function demandNames(
  { product, stream, aliases }: Pick<VersionDraft, 'product' | 'stream' | 'aliases'>,
  identity: Identity,
  access: Access,
): void {
  const names = [productName(product), ...impliedAliases(product)];
  access.demand(identity, 'publish', { stream, names, isNamedByCaller: true });
  for (const { name: alias, ifTaken } of aliases)
    if (ifTaken === 'refuse')
      access.demand(identity, 'publish', { stream, names: [alias], isNamedByCaller: true });
}

async function removeVersion(context: RouteContext, services: ApiServices): Promise<void> {
  services.access.demandAny(identityOf(context), 'remove');
  const serial = parameter(context, 'serial');
  const product = await demandProduct(context, services);
  const { stream, name } = product;
  const reason = single(context, 'withdraw');
  const withdraw = reason === undefined ? undefined : parseReason(reason);
  if (withdraw === undefined && !product.versions.some((version) => version.serial === serial)) {
    throw new HeadwaterError('not-found', `product ${name} has no version ${serial}`);
  }
  await catalogFor(context, services).versions.remove({ stream, name }, parseSerial(serial), new Date(), {
    withAliases: true,
    ...defined({ withdraw }),
  });
  context.status = 204;
}
