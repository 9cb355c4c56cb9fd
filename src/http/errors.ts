import type { IncomingMessage } from 'node:http';
import { type ErrorKind, HeadwaterError } from '../errors.ts';
import { defined } from '../model/defined.ts';
import type { Middleware } from './context.ts';

/** The HTTP status of each kind of error (RFC 9110, section 15). */
const statusOf: Record<ErrorKind, number> = {
  usage: 400,
  invalid: 422,
  'not-found': 404,
  conflict: 409,
  unauthorized: 401,
  forbidden: 403,
  'too-large': 413,
  'no-space': 507,
  unavailable: 503,
  aborted: 400,
};

/** The body of every error response of the API. */
interface ErrorBody {
  error: {
    kind: ErrorKind | 'internal';
    message: string;
    /** The fields or parameters of the request that it is about ({@link HeadwaterError.fields}). */
    fields?: readonly string[];
  };
}

/** The receivers of the errors of requests. */
export interface ErrorSinks {
  onDefect: (error: unknown, requestId: string) => void;
  /** Receives every error, and records the refusals of limits. */
  noteRefusal: (error: unknown, request: IncomingMessage) => void;
}

/**
 * The only function that turns errors into responses. A defect of ours is logged completely; the client learns nothing
 * of it.
 */
export function errorFunnel({ onDefect, noteRefusal }: ErrorSinks): Middleware {
  return async (context, next) => {
    try {
      await next();
      if (context.status === 404 && context.body === undefined) {
        throw new HeadwaterError('not-found', `there is nothing at ${context.path}`);
      }
      if (context.status === 405 && context.body === undefined) {
        const message = `${context.path} accepts ${context.response.get('Allow')}, not ${context.method}`;
        context.status = 405;
        context.body = { error: { kind: 'usage', message } } satisfies ErrorBody;
      }
    } catch (error) {
      const known = error instanceof HeadwaterError ? error : undefined;
      if (known === undefined) onDefect(error, String(context.state.requestId));
      else noteRefusal(known, context.req);
      context.status = known === undefined ? 500 : statusOf[known.kind];
      if (known?.kind === 'unauthorized')
        context.set('WWW-Authenticate', 'Bearer realm="headwater", Basic realm="headwater"');
      if (known?.kind === 'unavailable') context.set('Retry-After', '5');
      for (const name of ['ETag', 'Last-Modified', 'Content-Range', 'Cache-Control']) context.remove(name);
      const message =
        known?.message ??
        `internal error: the server's log has the cause, under request ${context.state.requestId}`;
      const fields = known?.fields;
      context.body = {
        error: { kind: known?.kind ?? 'internal', message, ...defined({ fields }) },
      } satisfies ErrorBody;
    }
  };
}
