import { type ErrorKind, HeadwaterError } from '../../errors.ts';
import type { Middleware } from '../context.ts';
import type { ErrorSinks } from '../errors.ts';
import { type OciCode, ociErrors } from './envelope.ts';

const answers: Record<ErrorKind, { status: number; code: OciCode }> = {
  usage: { status: 400, code: 'UNSUPPORTED' },
  invalid: { status: 400, code: 'UNSUPPORTED' },
  'not-found': { status: 404, code: 'NAME_UNKNOWN' },
  conflict: { status: 409, code: 'DENIED' },
  unauthorized: { status: 401, code: 'UNAUTHORIZED' },
  forbidden: { status: 403, code: 'DENIED' },
  'too-large': { status: 413, code: 'DENIED' },
  'no-space': { status: 507, code: 'UNKNOWN' },
  unavailable: { status: 503, code: 'UNKNOWN' },
  aborted: { status: 400, code: 'UNKNOWN' },
};

/** An error with a code that its kind does not give. */
export class OciError extends HeadwaterError {
  readonly code: OciCode;
  readonly status: number;

  /** @param status that of the kind if omitted */
  constructor(kind: ErrorKind, code: OciCode, message: string, status = answers[kind].status) {
    super(kind, message);
    this.code = code;
    this.status = status;
  }
}

/**
 * Turns errors into responses of an OCI registry. A defect of ours is logged completely; the client learns nothing of
 * it.
 * @param challenge how a client that is not authenticated gets a token
 */
export function errorsOfRegistry(
  { onDefect, noteRefusal }: ErrorSinks,
  challenge: (context: Parameters<Middleware>[0]) => string,
): Middleware {
  return async (context, next) => {
    try {
      await next();
      if (context.status === 404 && context.body === undefined) {
        throw new OciError('not-found', 'UNSUPPORTED', `there is nothing at ${context.path}`);
      }
      if (context.status === 405 && context.body === undefined) {
        context.status = 405;
        context.body = ociErrors('UNSUPPORTED', `${context.path} does not accept ${context.method}`);
      }
    } catch (error) {
      const known = error instanceof HeadwaterError ? error : undefined;
      if (known === undefined) onDefect(error, String(context.state.requestId));
      else noteRefusal(known, context.req);
      const { status, code } =
        known === undefined ? { status: 500, code: 'UNKNOWN' as const } : answers[known.kind];
      context.status = error instanceof OciError ? error.status : status;
      // A client that still sends reads the answer afterwards.
      if (!context.req.complete) context.req.resume();
      for (const name of ['ETag', 'Last-Modified', 'Content-Range', 'Docker-Content-Digest']) {
        context.remove(name);
      }
      context.set('Cache-Control', 'no-store');
      if (status === 401 && !context.res.hasHeader('WWW-Authenticate')) {
        context.set('WWW-Authenticate', challenge(context));
      }
      if (status === 503) context.set('Retry-After', '5');
      const message =
        known?.message ??
        `internal error: the server's log has the cause, under request ${context.state.requestId}`;
      context.body = ociErrors(error instanceof OciError ? error.code : code, message);
    }
  };
}
