import * as z from 'zod';
import type { Image } from '../../catalog/images/images.ts';
import { HeadwaterError } from '../../errors.ts';
import { parseAlias } from '../../model/names.ts';
import { AliasMoves } from '../../registry/alias-moves.ts';
import { imageType } from '../../registry/image-view.ts';
import type { VisibleAlias, VisibleImages } from '../../registry/visible-images.ts';
import { readBody } from '../api/body.ts';
import { single } from '../api/query.ts';
import {
  type Context,
  catalogFor,
  identityOf,
  parameter,
  type RouteContext,
  type Routes,
} from '../context.ts';
import { created, sync } from './envelope.ts';
import { parseFilter } from './listing/list-filter.ts';
import { isRecursive } from './listing/recursion.ts';
import { assertUnchanged, etagOf } from './preconditions.ts';
import type { RegistryServices } from './services.ts';
import { agentArchitecture } from './uploads/upload-headers.ts';

const newAliasBody = z.object({
  name: z.string(),
  description: z.string().optional(),
  target: z.string(),
});
const aliasChangeBody = z.object({ description: z.string().optional(), target: z.string().optional() });

/** The fields by which the list of aliases can be filtered. */
const aliasFields = { name: 'text', description: 'text', target: 'text', type: 'text' } as const;

type AliasServices = Pick<RegistryServices, 'access' | 'catalog'> & {
  images: VisibleImages;
  moves: AliasMoves;
};

/** `/1.0/images/aliases`. As LXD routes it, the rest of the path is a name: its slashes may be encoded or not. */
export function aliasRoutes(router: Routes, given: Omit<AliasServices, 'moves'>): void {
  const services = { ...given, moves: new AliasMoves() };
  const path = '/1.0/images/aliases/*name';
  router.get('/1.0/images/aliases', (context) => listAliases(context, services));
  router.post('/1.0/images/aliases', (context) => addAlias(context, services));
  router.get(path, (context) => getAlias(context, services));
  router.put(path, (context) => changeAlias(context, services));
  router.patch(path, (context) => changeAlias(context, services));
  router.post(path, (context) => renameAlias(context, services));
  router.delete(path, (context) => removeAlias(context, services));
}

async function listAliases(context: Context, { catalog, images }: AliasServices): Promise<void> {
  const recursion = isRecursive(context);
  const identity = identityOf(context);
  const isWanted = await parseFilter(single(context, 'filter'), aliasFields);
  const seen = [];
  for (const name of new Set((await catalog.aliases.list()).map((alias) => alias.name))) {
    const alias = await images.resolve(identity, name, agentArchitecture(context));
    if (alias === undefined || isWanted?.(view(alias)) === false) continue;
    seen.push(recursion ? view(alias) : pathOf(name));
  }
  sync(context, seen);
}

async function addAlias(context: Context, services: AliasServices): Promise<void> {
  services.access.demandAny(identityOf(context), 'publish');
  const { name: given, description = '', target } = await readBody(context.req, newAliasBody);
  const name = parseAlias(given);
  await set(context, services, { name, description }, target);
  created(context, pathOf(name));
}

async function getAlias(context: RouteContext, { images, moves }: AliasServices): Promise<void> {
  const name = parameter(context, 'name');
  const find = async () => await images.resolve(identityOf(context), name, agentArchitecture(context));
  const alias = await moves.settled(name, identityOf(context), find);
  if (alias === undefined) throw aliasNotFound();
  const visible = view(alias);
  sync(context, visible, { etag: etagOf(visible) });
}

/** PUT and PATCH: omitted fields stay. */
async function changeAlias(context: RouteContext, services: AliasServices): Promise<void> {
  const alias = await demandAlias(context, services);
  assertUnchanged(context, etagOf(view(alias)));
  const body = await readBody(context.req, aliasChangeBody);
  const { description = alias.description, target = alias.image.fingerprint } = body;
  await set(context, services, { name: alias.name, description, from: streamOf(alias) }, target);
  sync(context, {});
}

async function renameAlias(context: RouteContext, services: AliasServices): Promise<void> {
  const alias = await demandAlias(context, services);
  const given = await readBody(context.req, z.object({ name: z.string() }));
  const newName = parseAlias(given.name);
  await catalogFor(context, services).imageAliases.rename(streamOf(alias), alias.name, newName);
  created(context, pathOf(newName));
}

/** Documents keep the alias for some seconds (`server/housekeeping.ts`), so that a client can move it in two steps. */
async function removeAlias(context: RouteContext, services: AliasServices): Promise<void> {
  const alias = await demandAlias(context, services);
  await catalogFor(context, services).imageAliases.remove(streamOf(alias), alias.name);
  services.moves.note(alias.name, identityOf(context));
  sync(context, {});
}

/** An alias by its own name, for a client that may change some: the catalog checks whether it may change this one. */
async function demandAlias(context: RouteContext, { access, images }: AliasServices): Promise<VisibleAlias> {
  access.demandAny(identityOf(context), 'publish');
  const name = parameter(context, 'name');
  const alias = await images.resolve(identityOf(context), name, agentArchitecture(context));
  if (alias === undefined) throw aliasNotFound();
  return alias;
}

async function set(
  context: Context,
  services: AliasServices,
  alias: { name: string; description?: string; from?: string },
  target: string,
): Promise<void> {
  const { access, images } = services;
  const identity = identityOf(context);
  const named = await images.find(identity, target);
  const own = named.images.filter((each) => access.may(identity, 'publish', each.own));
  // If several products have the same bytes, the one that has the alias already.
  const hasAlias = (each: Image) => images.aliases(identity, each).some(({ name }) => name === alias.name);
  const image = own.find(hasAlias) ?? own[0] ?? named.image;
  const place = { stream: image.product.stream, product: image.product.name, serial: image.serial };
  await catalogFor(context, services).imageAliases.set(alias, place);
}

function view({ name, description, image }: VisibleAlias) {
  return { name, description, target: image.fingerprint, type: imageType(image) };
}

/** The stream that an alias belongs to, which is that of its image. */
function streamOf({ image }: VisibleAlias): string {
  return image.product.stream;
}

function aliasNotFound(): HeadwaterError {
  return new HeadwaterError('not-found', 'Alias not found');
}

function pathOf(name: string): string {
  return `/1.0/images/aliases/${encodeURIComponent(name)}`;
}
