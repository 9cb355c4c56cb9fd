import type { Logger } from '../ops/log.ts';
import type { AnsweredRequest } from './front.ts';

/** Logs an answered request: as a warning if the fault is the server's, and only for debugging if it is a probe. */
export function logRequest(log: Logger, request: AnsweredRequest): void {
  const { id, method, target, status, bytes, remote, agent, encrypted, broken } = request;
  const ms = Math.round(request.seconds * 1e6) / 1000;
  const probe = target === '/healthz' || target.startsWith('/readyz') || target === '/metrics';
  log[status >= 500 ? 'warn' : probe ? 'debug' : 'info'](
    {
      id,
      method,
      target,
      status,
      bytes,
      ms,
      remote,
      agent,
      ...(encrypted ? {} : { plain: true }),
      ...(broken ? { broken } : {}),
    },
    'request',
  );
}
