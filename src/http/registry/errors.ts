import type { IncomingMessage } from 'node:http';
import { type ErrorKind, HeadwaterError } from '../../errors.ts';
import type { Middleware } from '../context.ts';
import type { ErrorSinks } from '../errors.ts';
import { failure } from './envelope.ts';

/** The status that LXD answers with in such a case. It also answers 403 to clients that are not trusted. */
const statusOf: Record<ErrorKind, number> = {
  usage: 400,
  invalid: 400,
  'not-found': 404,
  conflict: 409,
  unauthorized: 403,
  forbidden: 403,
  'too-large': 413,
  'no-space': 507,
  unavailable: 503,
  aborted: 400,
};

/** The object was changed by another client since it was read (RFC 9110, section 15.5.13). */
export class PreconditionFailed extends HeadwaterError {
  constructor(message: string) {
    super('conflict', message);
  }
}

/** How much of a refused body is still read, in bytes and milliseconds, so that its sender gets the reason. */
export interface DrainLimits {
  bytes: number;
  milliseconds: number;
}

const strangerDrainLimits: DrainLimits = { bytes: 16 * 1024 * 1024, milliseconds: 10_000 };

/**
 * Turns errors into responses of the LXD API. A defect of ours is logged completely; the client learns nothing of it.
 */
export function registryErrors(
  { onDefect, noteRefusal }: ErrorSinks,
  knownDrainLimits: DrainLimits,
): Middleware {
  return async (context, next) => {
    try {
      await next();
      if (context.status === 404 && context.body === undefined) {
        // Clients request these before they launch or configure something, and print the error unchanged.
        throw new HeadwaterError(
          'not-found',
          `not found: ${context.path}: this is an image registry, which has no instances, profiles, networks or storage`,
        );
      }
    } catch (error) {
      const known = error instanceof HeadwaterError ? error : undefined;
      if (known === undefined) onDefect(error, String(context.state.requestId));
      else noteRefusal(known, context.req);
      const identity = context.state.identity;
      const limits = identity === undefined ? strangerDrainLimits : knownDrainLimits;
      if (!(await drain(context.req, limits))) context.set('Connection', 'close');
      const status = known === undefined ? 500 : statusOf[known.kind];
      context.status = known instanceof PreconditionFailed ? 412 : status;
      context.remove('ETag');
      context.remove('Location');
      const message =
        known?.message ??
        `internal error: the server's log has the cause, under request ${context.state.requestId}`;
      context.body = failure(context.status, message);
    }
  };
}

/**
 * Reads the rest of a body and drops it. A client that gets a response while it still sends reports a broken pipe
 * instead of the answer.
 * @returns whether the body ended
 */
async function drain(request: IncomingMessage, limits: DrainLimits): Promise<boolean> {
  if (request.complete || request.destroyed) return true;
  await new Promise<void>((resolve) => {
    let left = limits.bytes;
    const timer = setTimeout(done, limits.milliseconds);
    function done() {
      clearTimeout(timer);
      request.off('data', count).off('end', done).off('close', done).off('error', done);
      request.resume();
      resolve();
    }
    function count(chunk: Buffer) {
      left -= chunk.length;
      if (left < 0) done();
    }
    request.on('data', count).once('end', done).once('close', done).once('error', done);
    request.resume();
  });
  return request.complete;
}
