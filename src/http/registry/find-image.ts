import type { Known } from '../../access/access.ts';
import type { Image } from '../../catalog/images/images.ts';
import type { Secrets } from '../../registry/image-secrets.ts';
import type { VisibleImages } from '../../registry/visible-images.ts';
import { single } from '../api/query.ts';
import { identityOf, parameter, type RouteContext } from '../context.ts';
import type { RegistryServices } from './services.ts';

export interface ImageServices extends RegistryServices {
  images: VisibleImages;
  secrets: Secrets;
}

type VisibleImage = Awaited<ReturnType<VisibleImages['find']>>;

/**
 * The image of the path, as the client may see it, or with a secret, as the issuer of the secret may see it.
 * @throws HeadwaterError `not-found`
 */
export async function findImage(
  context: RouteContext,
  { images, secrets }: ImageServices,
): Promise<VisibleImage> {
  const secret = single(context, 'secret');
  const prefix = parameter(context, 'fingerprint');
  const opened = secret === undefined ? undefined : await secrets.open(secret);
  return prefix.length >= 6 && opened?.fingerprint.startsWith(prefix.toLowerCase())
    ? await images.find(opened.issuer, opened.fingerprint)
    : await images.find(identityOf(context), prefix);
}

/**
 * The image of the path, for a client that may change it.
 * @returns `own`: its versions that the client may change, at least one
 * @throws HeadwaterError `not-found`, `forbidden`
 */
export async function demandImage(
  context: RouteContext,
  { access, images }: ImageServices,
  action: 'publish' | 'remove',
): Promise<Omit<VisibleImage, 'images'> & { own: Image[]; identity: Known }> {
  const sender = identityOf(context);
  access.demandAny(sender, action);
  const visible = await images.find(sender, parameter(context, 'fingerprint'));
  const own = visible.images.filter((image) => access.may(sender, action, image.own));
  const [image = visible.image] = own;
  const identity = access.demand(sender, action, image.own);
  return { view: visible.view, image, own, identity };
}
