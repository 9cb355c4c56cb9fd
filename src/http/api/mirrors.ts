import { bytesOf } from '../../async/bytes-of.ts';
import { type Context, identityOf, parameter, type RouteContext, type Routes } from '../context.ts';
import { actorOf } from '../identify.ts';
import { readBody } from './body.ts';
import { single } from './query.ts';
import { runBody } from './schemas.ts';
import type { ApiServices } from './services.ts';

/** Mirrors: how they are doing, runs on request, and bundles. */
export function mirrorRoutes(router: Routes, services: ApiServices): void {
  router.get('/mirrors', (context) => listMirrors(context, services));
  router.get('/mirrors/:mirror', (context) => getMirror(context, services));
  router.post('/mirrors/:mirror/runs', (context) => startRun(context, services));
  router.post('/mirrors/:mirror/bundle', (context) => importBundle(context, services));
}

async function listMirrors(context: Context, { mirrors, access }: ApiServices): Promise<void> {
  access.demandAdministrator(identityOf(context));
  context.body = { mirrors: await mirrors.statuses() };
}

async function getMirror(context: RouteContext, { mirrors, access }: ApiServices): Promise<void> {
  access.demandAdministrator(identityOf(context));
  context.body = await mirrors.status(parameter(context, 'mirror'));
}

async function startRun(context: RouteContext, { mirrors, access }: ApiServices): Promise<void> {
  const identity = identityOf(context);
  access.demandAdministrator(identity);
  const name = parameter(context, 'mirror');
  const requestedBy = actorOf(access, identity, context.req);
  await mirrors.begin(name, { ...(await readBody(context.req, runBody)), requestedBy });
  context.status = 202;
  context.set('Location', `../${name}`);
  context.body = await mirrors.status(name);
}

/** The request ends when all of the bundle was read: its sender learns what is missing. */
async function importBundle(context: RouteContext, { mirrors, access }: ApiServices): Promise<void> {
  const identity = identityOf(context);
  access.demandAdministrator(identity);
  const force = single(context, 'force') === '1';
  const requestedBy = actorOf(access, identity, context.req);
  const body = bytesOf(context.req, { destroyOnReturn: false });
  try {
    context.body = await mirrors.importBundle(parameter(context, 'mirror'), body, { force, requestedBy });
  } finally {
    // After a refusal, the rest is read and dropped: a sender that is still writing would not see the answer.
    context.req.resume();
  }
}
