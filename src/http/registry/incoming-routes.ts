import type { Router } from '@koa/router';
import { PushTickets } from '../../registry/incoming/push-tickets.ts';
import { requestImage } from './image-requests.ts';
import type { RegistryParts } from './services.ts';
import { isUpload, receiveUpload } from './uploads/uploads.ts';

/** `POST /1.0/images`: every way in. */
export function incomingRoutes(router: Router, parts: RegistryParts): void {
  const { access, operations, receiver, pulls, imageServers } = parts;
  const tickets = new PushTickets({ access, operations });
  router.post('/1.0/images', async (context) => {
    const incoming = { access, operations, receiver, tickets };
    if (await isUpload(context.req)) await receiveUpload(context, incoming);
    else await requestImage(context, { ...incoming, pulls, imageServers });
  });
}
