import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Router } from '@koa/router';
import type { Context } from 'koa';
import * as z from 'zod';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import type { Secrets } from '../../registry/image-secrets.ts';
import {
  type EditableView,
  editable,
  formatExpiry,
  imageFields,
  parseExpiry,
} from '../../registry/image-view.ts';
import type { VisibleImages } from '../../registry/visible-images.ts';
import { readBody } from '../api/body.ts';
import { single } from '../api/query.ts';
import { parameter } from '../api/services.ts';
import { actorOf } from '../identify.ts';
import { started, sync } from './envelope.ts';
import { sendExport } from './export.ts';
import { filtered, parseFilter } from './listing/list-filter.ts';
import { isRecursive } from './listing/recursion.ts';
import { assertUnchanged, etagOf } from './preconditions.ts';
import { catalogFor, identityOf, type RegistryParts } from './services.ts';

const edit = z.object({
  auto_update: z.boolean().optional(),
  properties: z.record(z.string(), z.string()).nullish(),
  public: z.boolean().optional(),
  expires_at: z.string().optional(),
  profiles: z.array(z.string()).nullish(),
});

type ParameterContext = Context & { params: Record<string, string | undefined> };

/** `/1.0/images`: reading, editing and removing. */
export function imageRoutes(
  router: Router,
  parts: RegistryParts & { images: VisibleImages; secrets: Secrets },
): void {
  const { access, images, operations, secrets } = parts;
  const find = async (context: ParameterContext) => {
    const secret = single(context, 'secret');
    const prefix = parameter(context, 'fingerprint');
    const opened = secret !== undefined ? await secrets.open(secret) : undefined;
    return prefix.length >= 6 && opened?.fingerprint.startsWith(prefix.toLowerCase())
      ? await images.find(opened.issuer, opened.fingerprint)
      : await images.find(identityOf(context), prefix);
  };
  /** An image that the client may change, as the versions of it that it may change; one at least. */
  const demand = async (context: ParameterContext, action: 'publish' | 'remove') => {
    access.demandAny(identityOf(context), action);
    const found = await images.find(identityOf(context), parameter(context, 'fingerprint'));
    const own = found.images.filter((image) => access.may(identityOf(context), action, image.own));
    const [image = found.image] = own;
    const identity = access.demand(identityOf(context), action, image.own);
    return { view: found.view, image, own, identity };
  };

  router.get('/1.0/images', async (context) => {
    const whole = isRecursive(context);
    const isWanted = await parseFilter(single(context, 'filter'), imageFields);
    const all = images.each(identityOf(context));
    const wanted = isWanted === undefined ? all : filtered(all, ({ view }) => isWanted(view));
    const items = listed(wanted, ({ view }) => (whole ? view : `/1.0/images/${view.fingerprint}`));
    sync(context, null);
    // A catalog may have a hundred thousand images: they are sent as they are read.
    const [before, after] = JSON.stringify({ ...(context.body as object), metadata: '@' }).split('"@"');
    context.body = Readable.from(framed(before ?? '', items, after ?? ''), { objectMode: false });
    context.type = 'application/json';
  });

  router.get('/1.0/images/:fingerprint', async (context) => {
    const { view } = await find(context);
    sync(context, view, { etag: etagOf(editable(view)) });
  });

  router.get('/1.0/images/:fingerprint/export', async (context) => {
    const { image } = await find(context);
    await sendExport(context, image, parts);
  });

  const change = async (
    context: ParameterContext,
    merge: (now: EditableView, given: z.infer<typeof edit>) => EditableView,
  ) => {
    const { image } = await demand(context, 'publish');
    const given = await readBody(context.req, edit);
    const place = { product: image.product.name, serial: image.serial };
    const isPublic = access.isPublic(image.product.stream);
    await catalogFor(context, parts).pushed.edit(place, ({ pushed, hidden }) => {
      const now = {
        auto_update: pushed.autoUpdate,
        properties: pushed.properties,
        public: !hidden && isPublic,
        expires_at: formatExpiry(pushed.expiresAt),
        profiles: pushed.profiles,
      };
      assertUnchanged(context, etagOf(now));
      const next = merge(now, given);
      const expiresAt = parseExpiry(next.expires_at);
      const { expiresAt: _, ...rest } = pushed;
      return {
        hidden: !next.public,
        pushed: {
          ...rest,
          properties: next.properties,
          profiles: next.profiles,
          autoUpdate: next.auto_update,
          ...defined({ expiresAt }),
        },
      };
    });
    sync(context, {});
  };

  // PUT says everything: what is left out is unset.
  router.put('/1.0/images/:fingerprint', (context) =>
    change(context, (now, given) => ({
      auto_update: given.auto_update ?? false,
      properties: given.properties ?? {},
      public: given.public ?? false,
      expires_at: given.expires_at ?? formatExpiry(undefined),
      profiles: given.profiles ?? now.profiles,
    })),
  );
  router.patch('/1.0/images/:fingerprint', (context) =>
    change(context, (now, given) => ({
      auto_update: given.auto_update ?? now.auto_update,
      properties: { ...now.properties, ...given.properties },
      public: given.public ?? now.public,
      expires_at: given.expires_at ?? now.expires_at,
      profiles: given.profiles ?? now.profiles,
    })),
  );

  router.delete('/1.0/images/:fingerprint', async (context) => {
    const { own, identity, view } = await demand(context, 'remove');
    const { pushed } = catalogFor(context, parts);
    const operation = operations.start({
      description: 'Deleting image',
      identity,
      resources: resourceOf(view.fingerprint),
      work: async () => {
        for (const { product, serial } of own) await pushed.remove({ product: product.name, serial });
        return {};
      },
    });
    started(context, operation);
  });

  router.post('/1.0/images/:fingerprint/refresh', async (context) => {
    const { identity, image, view } = await demand(context, 'publish');
    const actor = actorOf(access, identity, context.req);
    const operation = operations.start({
      description: 'Refreshing image',
      identity,
      resources: resourceOf(view.fingerprint),
      // What was pushed or published comes from nobody who could be asked for something newer.
      work: async (progressing) => {
        const onProgress = (progress: string) => progressing.report({ download_progress: progress });
        const { signal } = progressing;
        return { refreshed: await parts.updates.refresh(image, { actor, signal, onProgress }) };
      },
    });
    started(context, operation);
  });

  router.post('/1.0/images/:fingerprint/secret', async (context) => {
    const identity = identityOf(context);
    const { view } = await find(context);
    if (identity === undefined) throw new HeadwaterError('forbidden', 'not authorized');
    const secret = randomBytes(32).toString('base64url');
    const operation = operations.token({
      description: 'Image download token',
      identity,
      resources: resourceOf(view.fingerprint),
      metadata: { secret },
      lifetime: secrets.lifetime,
      onEnd: () => secrets.remove(secret),
    });
    secrets.add(secret, { fingerprint: view.fingerprint, issuer: identity });
    started(context, operation);
  });
}

export function resourceOf(fingerprint: string): Record<string, string[]> {
  return { images: [`/1.0/images/${fingerprint}`] };
}

async function* listed<Item>(
  items: AsyncIterable<Item>,
  show: (item: Item) => unknown,
): AsyncGenerator<string> {
  for await (const item of items) yield JSON.stringify(show(item));
}

async function* framed(before: string, items: AsyncIterable<string>, after: string): AsyncGenerator<string> {
  let text = `${before}[`;
  let first = true;
  for await (const item of items) {
    text += first ? item : `,${item}`;
    first = false;
    if (text.length < 65_536) continue;
    yield text;
    text = '';
  }
  yield `${text}]${after}`;
}
