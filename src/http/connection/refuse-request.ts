import type { IncomingMessage, ServerResponse } from 'node:http';
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
  const isRegistry = /^\/1\.0(\/|\?|$)/.test(request.url ?? '');
  const body = isRegistry ? failure(status, message) : { error: { kind: 'unavailable', message } };
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
