import * as z from 'zod';
import { defined } from '../../model/defined.ts';
import { type EditableView, formatExpiry, parseExpiry } from '../../registry/image-view.ts';
import { readBody } from '../api/body.ts';
import { catalogFor, type RouteContext } from '../context.ts';
import { sync } from './envelope.ts';
import { demandImage, type ImageServices } from './find-image.ts';
import { assertUnchanged, etagOf } from './preconditions.ts';

const edit = z.object({
  auto_update: z.boolean().optional(),
  properties: z.record(z.string(), z.string()).nullish(),
  public: z.boolean().optional(),
  expires_at: z.string().optional(),
  profiles: z.array(z.string()).nullish(),
});

type Merge = (now: EditableView, given: z.infer<typeof edit>) => EditableView;

/** PUT replaces everything: omitted fields are unset. */
export const replaced: Merge = (now, given) => ({
  auto_update: given.auto_update ?? false,
  properties: given.properties ?? {},
  public: given.public ?? false,
  expires_at: given.expires_at ?? formatExpiry(undefined),
  profiles: given.profiles ?? now.profiles,
});

/** PATCH changes the given fields. */
export const patched: Merge = (now, given) => ({
  auto_update: given.auto_update ?? now.auto_update,
  properties: { ...now.properties, ...given.properties },
  public: given.public ?? now.public,
  expires_at: given.expires_at ?? now.expires_at,
  profiles: given.profiles ?? now.profiles,
});

/** Changes the editable fields of an image. */
export async function editImage(context: RouteContext, services: ImageServices, merge: Merge): Promise<void> {
  const { image } = await demandImage(context, services, 'publish');
  const given = await readBody(context.req, edit);
  const place = { stream: image.product.stream, product: image.product.name, serial: image.serial };
  const isPublic = services.access.isPublic(image.product.stream);
  await catalogFor(context, services).pushed.edit(place, ({ pushed, hidden }) => {
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
}
