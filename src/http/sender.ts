import type { IncomingMessage } from 'node:http';

const senders = new WeakMap<IncomingMessage, string>();

/** Remembers which token or client has sent a request, for the log of refusals. */
export function noteSender(request: IncomingMessage, who: string): void {
  senders.set(request, who);
}

/** The token (`token:NAME`) or client (`client:NAME`) that has sent a request; undefined before it is authenticated. */
export function senderOf(request: IncomingMessage): string | undefined {
  return senders.get(request);
}
