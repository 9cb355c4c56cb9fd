import { positiveSize, siteName } from '../../config/fields.ts';
import { HeadwaterError } from '../../errors.ts';
import {
  type Context,
  catalogFor,
  identityOf,
  parameter,
  type RouteContext,
  type Routes,
} from '../context.ts';
import { sendChunks } from '../send-bytes.ts';
import { readBody } from './body.ts';
import { bundleBody } from './schemas.ts';
import type { ApiServices, StreamedBundle } from './services.ts';

/** Bundles as streams; for `admin` only. */
export function bundleRoutes(router: Routes, services: ApiServices): void {
  router.post('/bundles/:site', (context) => sendBundle(context, services));
}

async function sendBundle(context: RouteContext, services: ApiServices): Promise<void> {
  services.access.demandAdministrator(identityOf(context));
  const to = parameter(context, 'site');
  if (!siteName.safeParse(to).success) {
    throw new HeadwaterError(
      'invalid',
      `site ${JSON.stringify(to)}: use at most 32 lower-case letters, digits and -`,
    );
  }
  const { maxSize, ...request } = (await readBody(context.req, bundleBody)) ?? {};
  const bundle = await services.bundles.open(catalogFor(context, services), to, {
    ...request,
    ...(maxSize === undefined ? {} : { maxSize: sizeOf(maxSize) }),
  });
  await respond(context, to, bundle);
}

async function respond(
  context: Context,
  to: string,
  { sequence, size, chunks, finish }: StreamedBundle,
): Promise<void> {
  if (context.res.destroyed) return;
  const name = `${to}-${String(sequence).padStart(4, '0')}.tar`;
  context.set({
    'Content-Type': 'application/x-tar',
    'Content-Disposition': `attachment; filename="${name}"`,
  });
  context.status = 200;
  context.length = size;
  context.respond = false;
  if (await sendChunks(context.res, chunks)) await finish();
}

function sizeOf(value: string | number): number {
  const parsed = positiveSize.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new HeadwaterError('invalid', 'maxSize: expected a size such as 60GiB', { fields: ['maxSize'] });
}
