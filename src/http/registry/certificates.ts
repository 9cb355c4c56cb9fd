import * as z from 'zod';
import { isAdministrator } from '../../access/access.ts';
import type { Client } from '../../catalog/identities/clients.ts';
import { HeadwaterError } from '../../errors.ts';
import { readBody } from '../api/body.ts';
import { clientAddress } from '../connection/client-address.ts';
import { peerCertificate } from '../connection/peer-certificate.ts';
import {
  type Context,
  catalogFor,
  identityOf,
  parameter,
  type RouteContext,
  type Routes,
} from '../context.ts';
import { created, sync } from './envelope.ts';
import { isRecursive } from './listing/recursion.ts';
import type { RegistryServices } from './services.ts';

/**
 * The request of a client to be trusted. LXD 5.0 sends a secret or a token as `password`; Incus and newer LXD send it
 * as `trust_token`.
 */
const certificateBody = z.object({
  name: z.string().max(100).nullish(),
  type: z.string().nullish(),
  password: z.string().max(10_000).nullish(),
  trust_token: z.string().max(10_000).nullish(),
  token: z.boolean().nullish(),
});

type CertificateServices = Pick<RegistryServices, 'access' | 'catalog' | 'enrollment'>;

/** `/1.0/certificates`: clients join, are listed, and are revoked. */
export function certificateRoutes(router: Routes, services: CertificateServices): void {
  router.get('/1.0/certificates', (context) => listCertificates(context, services));
  router.post('/1.0/certificates', (context) => addCertificate(context, services));
  router.get('/1.0/certificates/:fingerprint', async (context) => {
    sync(context, await view(await findClient(context, services), services));
  });
  router.delete('/1.0/certificates/:fingerprint', async (context) => {
    const client = await findClient(context, services);
    await catalogFor(context, services).clients.revoke(client.id);
    sync(context, {});
  });
}

/** Trusts the certificate of the connection, for a client that knows a secret. */
async function addCertificate(context: Context, services: CertificateServices): Promise<void> {
  const body = await readBody(context.req, certificateBody);
  if (body.token === true) {
    throw new HeadwaterError(
      'invalid',
      'join tokens are made with "headwater token create --join", or POST /api/v1/tokens',
    );
  }
  if (body.type && body.type !== 'client') {
    throw new HeadwaterError('invalid', `type ${JSON.stringify(body.type)}: only "client" is supported`);
  }
  // The certificate of the connection: the one in the body may not be the client's.
  const certificate = peerCertificate(context.req.socket);
  if (certificate === undefined) {
    throw new HeadwaterError(
      'invalid',
      'the connection has no client certificate: there is nothing to trust',
    );
  }
  const secret = body.trust_token || body.password || '';
  const isTrusted = identityOf(context)?.kind === 'client';
  if (secret !== '' || !isTrusted) {
    await services.enrollment.join(catalogFor(context, services), certificate, {
      secret,
      name: body.name ?? '',
      address: clientAddress(context.req),
    });
  }
  created(context, `/1.0/certificates/${certificate.fingerprint}`);
}

async function listCertificates(context: Context, services: CertificateServices): Promise<void> {
  const clients = await visibleClients(context, services);
  const recursion = isRecursive(context);
  const listed = clients.map(async (client) =>
    recursion ? await view(client, services) : `/1.0/certificates/${client.fingerprint}`,
  );
  sync(context, await Promise.all(listed));
}

/** Administrators see all clients, others themselves. */
async function visibleClients(context: Context, { catalog }: CertificateServices): Promise<Client[]> {
  const identity = identityOf(context);
  if (identity === undefined) throw new HeadwaterError('forbidden', 'not authorized');
  const clients = (await catalog.clients.list()).filter(({ revokedAt }) => revokedAt === undefined);
  return isAdministrator(identity)
    ? clients
    : clients.filter(({ id }) => identity.kind === 'client' && id === identity.id);
}

async function findClient(context: RouteContext, services: CertificateServices): Promise<Client> {
  const clients = await visibleClients(context, services);
  const prefix = parameter(context, 'fingerprint');
  if (!/^[0-9a-f]{12,64}$/i.test(prefix)) {
    throw new HeadwaterError('invalid', 'fingerprint: give 12 to 64 hexadecimal digits');
  }
  const [client, second] = clients.filter(({ fingerprint }) => fingerprint.startsWith(prefix.toLowerCase()));
  if (client === undefined || second !== undefined) {
    throw new HeadwaterError('not-found', 'Certificate not found');
  }
  return client;
}

async function view(client: Client, { catalog }: CertificateServices) {
  return {
    name: client.name,
    type: 'client',
    restricted: client.streams !== undefined || client.names !== undefined,
    projects: [],
    certificate: (await catalog.clients.certificate(client.fingerprint)) ?? '',
    fingerprint: client.fingerprint,
  };
}
