import { identityOf, parameter, type Routes } from '../context.ts';
import { readBody } from './body.ts';
import { runBody } from './schemas.ts';
import type { ApiServices } from './services.ts';

/** Mirrors: how they are doing, and runs on request. */
export function mirrorRoutes(router: Routes, { mirrors, access }: ApiServices): void {
  router.get('/mirrors', async (context) => {
    access.demandAdministrator(identityOf(context));
    context.body = { mirrors: await mirrors.statuses() };
  });

  router.get('/mirrors/:mirror', async (context) => {
    access.demandAdministrator(identityOf(context));
    context.body = await mirrors.status(parameter(context, 'mirror'));
  });

  router.post('/mirrors/:mirror/runs', async (context) => {
    access.demandAdministrator(identityOf(context));
    const name = parameter(context, 'mirror');
    await mirrors.begin(name, await readBody(context.req, runBody));
    context.status = 202;
    context.set('Location', `../${name}`);
    context.body = await mirrors.status(name);
  });
}
