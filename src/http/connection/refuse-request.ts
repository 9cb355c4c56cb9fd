import type { IncomingMessage, ServerResponse } from 'node:http';
import { ociErrors } from '../oci/envelope.ts';
import { failure } from '../registry/envelope.ts';
import type { Exceeded } from './address-limit.ts';

const refusals = {
  address: {
    status: 429,
    message:
      'too many active requests from this address (limits.requestsPerAddress): try again in a few seconds',
  },
  total: {
    status: 503,
    message: 'too many active requests (limits.requests): try again in a few seconds',
  },
};

/** Answers a request that is over a limit, in the form that its client reads, and closes the connection. */
export function refuseRequest(request: IncomingMessage, response: ServerResponse, exceeded: Exceeded): void {
  const { status, message } = refusals[exceeded];
  const body = bodyFor(request.url ?? '', status, message);
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`);
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': bytes.length,
    'Retry-After': '5',
    // Before a body is read that will not be used.
    Connection: 'close',
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

function bodyFor(target: string, status: number, message: string): object {
  if (/^\/1\.0(\/|\?|$)/.test(target)) return failure(status, message);
  if (/^\/v2(\/|\?|$)/.test(target)) return ociErrors('TOOMANYREQUESTS', message);
  return { error: { kind: 'unavailable', message } };
}
