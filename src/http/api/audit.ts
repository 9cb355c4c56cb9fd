import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { identityOf, type Routes } from '../context.ts';
import { single, wholeNumber } from './query.ts';
import type { ApiServices } from './services.ts';

/** How many entries a page has unless the client asks for fewer. */
const pageSize = 500;

/** Who changed what; for `admin` only. */
export function auditRoutes(router: Routes, { access, catalog }: ApiServices): void {
  router.get('/audit', async (context) => {
    access.demandAdministrator(identityOf(context));
    const limit = wholeNumber(context, 'limit', { least: 1, most: pageSize }) ?? pageSize;
    const before = wholeNumber(context, 'before', { least: 1, most: Number.MAX_SAFE_INTEGER });
    const who = single(context, 'who');
    const since = single(context, 'since');
    const entries = await catalog.audit.list({
      limit,
      ...defined({ before, who }),
      ...(since === undefined ? {} : { since: parseMoment(since) }),
    });
    const last = entries.length === limit ? entries.at(-1) : undefined;
    context.body = { entries, ...defined({ next: last?.id }) };
  });
}

function parseMoment(text: string): Date {
  const moment = new Date(text);
  if (/^\d{4}-\d{2}-\d{2}/.test(text) && !Number.isNaN(moment.getTime())) return moment;
  throw new HeadwaterError(
    'invalid',
    `since ${JSON.stringify(text)}: expected a time such as 2026-01-31T05:24:00Z`,
  );
}
