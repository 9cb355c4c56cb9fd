import { HeadwaterError } from '../../errors.ts';
import type { Operation } from '../../registry/operations/operation.ts';
import type { Operations } from '../../registry/operations/operations.ts';
import { single } from '../api/query.ts';
import { type Context, identityOf, type Routes } from '../context.ts';
import { sync } from './envelope.ts';
import { isRecursive } from './listing/recursion.ts';

/** `/1.0/operations`: clients read, await and cancel their operations. */
export function operationRoutes(router: Routes, { operations }: { operations: Operations }): void {
  const demand = (context: Context & { params: Record<string, string | undefined> }): Operation => {
    return operations.demand(context.params['id'] ?? '', identityOf(context), single(context, 'secret'));
  };

  router.get('/1.0/operations', (context) => {
    const all = operations.list(identityOf(context));
    const byStatus: Record<string, unknown[]> = {};
    for (const operation of all) {
      const view = operation.view();
      const status = view.status.toLowerCase();
      const shown = isRecursive(context) ? view : operation.path;
      byStatus[status] = [...(byStatus[status] ?? []), shown];
    }
    sync(context, byStatus);
  });

  router.get('/1.0/operations/:id', (context) => {
    sync(context, demand(context).view());
  });

  router.get('/1.0/operations/:id/wait', async (context) => {
    const operation = demand(context);
    const timeout = timeoutOf(single(context, 'timeout'));
    const left = new AbortController();
    context.res.once('close', () => left.abort());
    await operations.wait(operation, timeout, left.signal);
    sync(context, operation.view());
  });

  router.delete('/1.0/operations/:id', (context) => {
    const operation = demand(context);
    if (operation.ended) throw new HeadwaterError('invalid', 'the operation has ended already');
    operation.cancel();
    sync(context, {});
  });
}

/** Seconds as clients send them, in milliseconds; -1 means without end. */
function timeoutOf(value: string | undefined): number | undefined {
  if (value === undefined || value === '') return undefined;
  const seconds = Number(value);
  if (!Number.isInteger(seconds)) {
    throw new HeadwaterError('invalid', `timeout ${JSON.stringify(value)}: expected whole seconds, or -1`);
  }
  // A timer of Node.js counts milliseconds in 32 bits.
  return seconds < 0 ? undefined : Math.min(seconds * 1000, 2 ** 31 - 1);
}
