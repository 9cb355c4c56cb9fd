import { randomBytes } from 'node:crypto';
import { HeadwaterError } from '../../errors.ts';
import { Secrets } from '../../registry/image-secrets.ts';
import { editable } from '../../registry/image-view.ts';
import { PushTickets } from '../../registry/incoming/push-tickets.ts';
import type { VisibleImages } from '../../registry/visible-images.ts';
import { type Context, catalogFor, identityOf, type RouteContext, type Routes } from '../context.ts';
import { actorOf } from '../identify.ts';
import { editImage, patched, replaced } from './edit-image.ts';
import { resourceOf, started, sync } from './envelope.ts';
import { sendExport } from './export.ts';
import { demandImage, findImage, type ImageServices } from './find-image.ts';
import { requestImage } from './image-requests.ts';
import { listImages } from './list-images.ts';
import { etagOf } from './preconditions.ts';
import type { RegistryServices } from './services.ts';
import { isUpload, receiveUpload } from './uploads/uploads.ts';

/** `/1.0/images`. */
export function imageRoutes(router: Routes, given: RegistryServices & { images: VisibleImages }): void {
  const services = { ...given, secrets: new Secrets(given.access) };
  const tickets = new PushTickets(given);
  const path = '/1.0/images/:fingerprint';
  router.get('/1.0/images', (context) => listImages(context, services));
  router.post('/1.0/images', (context) => addImage(context, { ...given, tickets }));
  router.get(path, (context) => getImage(context, services));
  router.get(`${path}/export`, (context) => exportImage(context, services));
  router.put(path, (context) => editImage(context, services, replaced));
  router.patch(path, (context) => editImage(context, services, patched));
  router.delete(path, (context) => removeImage(context, services));
  router.post(`${path}/refresh`, (context) => refreshImage(context, services));
  router.post(`${path}/secret`, (context) => issueSecret(context, services));
}

/** All ways to add an image: an upload, the announcement of one, or a copy from another server. */
async function addImage(
  context: Context,
  services: RegistryServices & { tickets: PushTickets },
): Promise<void> {
  if (await isUpload(context.req)) await receiveUpload(context, services);
  else await requestImage(context, services);
}

async function getImage(context: RouteContext, services: ImageServices): Promise<void> {
  const { view } = await findImage(context, services);
  sync(context, view, { etag: etagOf(editable(view)) });
}

async function exportImage(context: RouteContext, services: ImageServices): Promise<void> {
  const { image } = await findImage(context, services);
  await sendExport(context, image, services);
}

/** Removes the versions with these bytes that the client may remove. */
async function removeImage(context: RouteContext, services: ImageServices): Promise<void> {
  const { own, identity, view } = await demandImage(context, services, 'remove');
  const { pushed } = catalogFor(context, services);
  const operation = services.operations.start({
    description: 'Deleting image',
    identity,
    resources: resourceOf(view.fingerprint),
    work: async () => {
      for (const { product, serial } of own)
        await pushed.remove({ stream: product.stream, product: product.name, serial });
      return {};
    },
  });
  started(context, operation);
}

/** Looks for a newer version on the server from which the image was copied; a pushed or published image has none. */
async function refreshImage(context: RouteContext, services: ImageServices): Promise<void> {
  const { identity, image, view } = await demandImage(context, services, 'publish');
  const actor = actorOf(services.access, identity, context.req);
  const operation = services.operations.start({
    description: 'Refreshing image',
    identity,
    resources: resourceOf(view.fingerprint),
    work: async (progressing) => {
      const onProgress = (progress: string) => progressing.report({ download_progress: progress });
      const { signal } = progressing;
      return { refreshed: await services.updates.refresh(image, { actor, signal, onProgress }) };
    },
  });
  started(context, operation);
}

/** Creates a secret with which the client's daemon can download the image. */
async function issueSecret(context: RouteContext, services: ImageServices): Promise<void> {
  const identity = identityOf(context);
  const { view } = await findImage(context, services);
  if (identity === undefined) throw new HeadwaterError('forbidden', 'not authorized');
  const { operations, secrets } = services;
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
}
