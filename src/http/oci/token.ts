import type { Access, Identity } from '../../access/access.ts';
import { HeadwaterError } from '../../errors.ts';
import { type BearerTokens, bearerLifetime, parseScopes, type Scope } from '../../oci/bearer-tokens.ts';
import type { Context, Routes } from '../context.ts';
import { wholeBody } from '../whole-body.ts';
import { type Sender, senderOfRequest } from './authentication.ts';

/** The largest form of a token request, in bytes. */
const maxForm = 16 * 1024;

/** `GET /v2/token`, and `POST` of a form, which containerd sends when it has credentials. */
export function tokenRoutes(router: Routes, services: { access: Access; bearers: BearerTokens }): void {
  router.get('/v2/token', async (context) => {
    const sender = await authenticate(context, services);
    const scopes = [context.query['scope'] ?? []].flat().flatMap(parseScopes);
    await answer(context, services.bearers, sender.identity, scopes);
  });

  router.post('/v2/token', async (context) => {
    const form = await readForm(context);
    if (form.get('grant_type') !== 'password') {
      throw new HeadwaterError('usage', 'grant_type: only "password" is supported');
    }
    context.req.headers.authorization = `Bearer ${form.get('password') ?? ''}`;
    const { identity } = await authenticate(context, services);
    await answer(context, services.bearers, identity, form.getAll('scope').flatMap(parseScopes));
  });
}

/** A wrong password must not be answered with the address of this route again. */
async function authenticate(
  context: Context,
  services: { access: Access; bearers: BearerTokens },
): Promise<Sender> {
  try {
    return await senderOfRequest(context, services);
  } catch (error) {
    context.set('WWW-Authenticate', 'Basic realm="headwater"');
    throw error;
  }
}

/** @param scopes what is asked for: the rights are checked again where the token is used */
async function answer(
  context: Context,
  bearers: BearerTokens,
  identity: Identity,
  scopes: Scope[],
): Promise<void> {
  const now = new Date();
  const granted = scopes.map(({ repository, actions }) => ({
    repository,
    actions: identity === undefined ? actions.filter((action) => action === 'pull') : actions,
  }));
  const token = await bearers.issue(identity, granted, now);
  // Clients read one name or the other.
  context.body = { token, access_token: token, expires_in: bearerLifetime, issued_at: now.toISOString() };
}

async function readForm(context: Context): Promise<URLSearchParams> {
  return new URLSearchParams((await wholeBody(context.req, maxForm)).toString());
}
