import type { Router } from '@koa/router';
import { type ApiParts, identityOf, parameter } from './parts.ts';

/** Mirrors: how they are doing, and runs on request. */
export function mirrorRoutes(router: Router, { mirrors, access }: ApiParts): void {
  router.get('/mirrors', async (context) => {
    access.demand(identityOf(context), 'admin');
    context.body = { mirrors: await mirrors.statuses() };
  });

  router.get('/mirrors/:mirror', async (context) => {
    access.demand(identityOf(context), 'admin');
    context.body = await mirrors.status(parameter(context, 'mirror'));
  });

  router.post('/mirrors/:mirror/runs', async (context) => {
    access.demand(identityOf(context), 'admin');
    const name = parameter(context, 'mirror');
    await mirrors.begin(name);
    context.status = 202;
    context.set('Location', `../${name}`);
    context.body = await mirrors.status(name);
  });
}
