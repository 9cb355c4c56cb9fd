import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { type Context, identityOf, type Routes } from '../context.ts';
import { single, wholeNumber } from './query.ts';
import type { ApiServices } from './services.ts';

/** How many entries a page has unless the client asks for fewer. */
const pageSize = 500;

/** Who changed what; for `admin` only. */
export function auditRoutes(router: Routes, services: ApiServices): void {
  router.get('/audit', (context) => listAudit(context, services));
}

async function listAudit(context: Context, { access, catalog }: ApiServices): Promise<void> {
  access.demandAdministrator(identityOf(context));
  const limit = wholeNumber(context, 'limit', { min: 1, max: pageSize }) ?? pageSize;
  const before = wholeNumber(context, 'before', { min: 1, max: Number.MAX_SAFE_INTEGER });
  const who = single(context, 'who');
  const since = single(context, 'since');
  const entries = await catalog.audit.list({
    limit,
    ...defined({ before, who }),
    ...(since === undefined ? {} : { since: parseTime(since) }),
  });
  const last = entries.length === limit ? entries.at(-1) : undefined;
  context.body = { entries, ...defined({ next: last?.id }) };
}

function parseTime(text: string): Date {
  const time = new Date(text);
  if (/^\d{4}-\d{2}-\d{2}/.test(text) && !Number.isNaN(time.getTime())) return time;
  throw new HeadwaterError(
    'invalid',
    `since ${JSON.stringify(text)}: expected a time such as 2026-01-31T05:24:00Z`,
    { fields: ['since'] },
  );
}
