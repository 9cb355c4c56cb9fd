import type { Router } from '@koa/router';
import type { Context } from 'koa';
import * as z from 'zod';
import type { Image } from '../../catalog/images/images.ts';
import { HeadwaterError } from '../../errors.ts';
import { parseAlias } from '../../model/names.ts';
import { AliasMoves } from '../../registry/alias-moves.ts';
import { imageType } from '../../registry/image-view.ts';
import type { VisibleAlias, VisibleImages } from '../../registry/visible-images.ts';
import { readBody } from '../api/body.ts';
import { single } from '../api/query.ts';
import { parameter } from '../api/services.ts';
import { created, sync } from './envelope.ts';
import { parseFilter } from './listing/list-filter.ts';
import { isRecursive } from './listing/recursion.ts';
import { assertUnchanged, etagOf } from './preconditions.ts';
import { catalogFor, identityOf, type RegistryParts } from './services.ts';
import { agentArchitecture } from './uploads/agent-architecture.ts';

const entry = z.object({
  name: z.string(),
  description: z.string().optional(),
  target: z.string(),
});
const change = z.object({ description: z.string().optional(), target: z.string().optional() });

/** What the list of aliases can be filtered by. */
const aliasFields = { name: 'text', description: 'text', target: 'text', type: 'text' } as const;

type ParameterContext = Context & { params: Record<string, string | undefined> };

/** `/1.0/images/aliases`. As LXD routes it, the rest of the path is a name: its slashes may be encoded or not. */
export function aliasRoutes(router: Router, parts: RegistryParts & { images: VisibleImages }): void {
  const { access, catalog, images } = parts;
  const moves = new AliasMoves();

  const view = ({ name, description, image }: VisibleAlias) => ({
    name,
    description,
    target: image.fingerprint,
    type: imageType(image),
  });
  const demandAlias = async (context: ParameterContext): Promise<VisibleAlias> => {
    const name = parameter(context, 'name');
    const found = await images.resolve(identityOf(context), name, agentArchitecture(context));
    if (found === undefined) throw aliasNotFound();
    return found;
  };
  /** An alias by its own name, for a client that may change some: the catalog checks whether it may change this one. */
  const demandChange = async (context: ParameterContext): Promise<VisibleAlias> => {
    access.demandAny(identityOf(context), 'publish');
    return await demandAlias(context);
  };
  const set = async (
    context: ParameterContext,
    alias: { name: string; description?: string; mayMove: boolean },
    target: string,
  ) => {
    const identity = identityOf(context);
    const found = await images.find(identity, target);
    const own = found.images.filter((each) => access.may(identity, 'publish', each.own));
    // Of the same bytes in several products, the one that has the alias already.
    const hasAlias = (each: Image) => images.aliases(identity, each).some(({ name }) => name === alias.name);
    const image = own.find(hasAlias) ?? own[0] ?? found.image;
    const place = { product: image.product.name, serial: image.serial };
    await catalogFor(context, parts).imageAliases.set(alias, place);
  };

  router.get('/1.0/images/aliases', async (context) => {
    const whole = isRecursive(context);
    const identity = identityOf(context);
    const isWanted = await parseFilter(single(context, 'filter'), aliasFields);
    const seen = [];
    for (const { name } of await catalog.aliases.list()) {
      const found = await images.resolve(identity, name, agentArchitecture(context));
      if (found === undefined || isWanted?.(view(found)) === false) continue;
      seen.push(whole ? view(found) : pathOf(name));
    }
    sync(context, seen);
  });

  router.post('/1.0/images/aliases', async (context) => {
    access.demandAny(identityOf(context), 'publish');
    const { name: given, description = '', target } = await readBody(context.req, entry);
    const name = parseAlias(given);
    await set(context, { name, description, mayMove: false }, target);
    created(context, pathOf(name));
  });

  router.get('/1.0/images/aliases/*name', async (context) => {
    const find = async () =>
      await images.resolve(identityOf(context), parameter(context, 'name'), agentArchitecture(context));
    const alias = await moves.settled(parameter(context, 'name'), identityOf(context), find);
    if (alias === undefined) throw aliasNotFound();
    const found = view(alias);
    sync(context, found, { etag: etagOf(found) });
  });

  const alter = async (context: ParameterContext) => {
    const found = await demandChange(context);
    assertUnchanged(context, etagOf(view(found)));
    const { description = found.description, target = found.image.fingerprint } = await readBody(
      context.req,
      change,
    );
    await set(context, { name: found.name, description, mayMove: true }, target);
    sync(context, {});
  };
  router.put('/1.0/images/aliases/*name', alter);
  router.patch('/1.0/images/aliases/*name', alter);

  router.post('/1.0/images/aliases/*name', async (context) => {
    const { name } = await demandChange(context);
    const given = await readBody(context.req, z.object({ name: z.string() }));
    const newName = parseAlias(given.name);
    await catalogFor(context, parts).imageAliases.rename(name, newName);
    created(context, pathOf(newName));
  });

  router.delete('/1.0/images/aliases/*name', async (context) => {
    const { name } = await demandChange(context);
    await catalogFor(context, parts).imageAliases.remove(name);
    moves.note(name, identityOf(context));
    sync(context, {});
  });
}

function aliasNotFound(): HeadwaterError {
  return new HeadwaterError('not-found', 'Alias not found');
}

function pathOf(name: string): string {
  return `/1.0/images/aliases/${encodeURIComponent(name)}`;
}
