import { codeOf, type ErrorKind, HeadwaterError, messageOf, quotable } from '../../errors.ts';

/** An answer, read whole. */
export interface ApiResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** What a certificate that is not trusted is called by Node.js. */
const distrust = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);

/** Kinds for answers that are not Headwater's own: those of a proxy. */
const kinds: Record<number, ErrorKind> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not-found',
  409: 'conflict',
  413: 'too-large',
  507: 'no-space',
};

/** The kinds that a server may say. */
const known = new Set<string>(
  'usage invalid not-found conflict unauthorized forbidden too-large no-space unavailable aborted internal'.split(
    ' ',
  ),
);

/** Characters of a server's message that are shown. */
const longestMessage = 8000;

/** The server could not be reached, or left in the middle. */
export class ConnectionError extends HeadwaterError {
  /** Whether another attempt can end otherwise. */
  readonly transient: boolean;

  constructor(message: string, cause: unknown, transient: boolean) {
    super('unavailable', message, { cause });
    this.transient = transient;
  }
}

/** Says why a server could not be reached, and what to do. */
export function connectionError(server: string, error: unknown): ConnectionError {
  const code = codeOf(error) ?? '';
  if (distrust.has(code)) {
    return new ConnectionError(
      `${server}: its certificate is not trusted: name it with --ca FILE (a self-signed one is in the data directory of the server, tls/server.crt)`,
      error,
      false,
    );
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'CERT_HAS_EXPIRED') {
    return new ConnectionError(
      `${server}: its certificate cannot be used: ${messageOf(error)}: use an address that it names, or have it renewed`,
      error,
      false,
    );
  }
  if (code === 'ENOTFOUND') {
    return new ConnectionError(`${server}: there is no host of that name`, error, false);
  }
  // Where every address of a host failed, the reasons are inside.
  const reason = error instanceof AggregateError ? (error.errors.map(messageOf)[0] ?? '') : messageOf(error);
  return new ConnectionError(`${server}: cannot be reached: ${reason}`, error, true);
}

/** What an answer that is no success says. */
export function responseError(server: string, { status, headers, text }: ApiResponse): HeadwaterError {
  const told = errorIn(text);
  if (told !== undefined && told.kind !== 'internal') return new HeadwaterError(told.kind, told.message);
  if (told !== undefined) return new HeadwaterError('unavailable', `${server}: ${told.message}`);
  if (status >= 300 && status < 400) {
    const location = String(headers['location']);
    const address = URL.canParse(location) ? new URL(location).origin : 'null';
    return new HeadwaterError(
      'usage',
      address === 'null'
        ? `${server}: redirects, but not to an address of a server`
        : `${server}: redirects to ${address}: give that address with --server`,
    );
  }
  const kind = kinds[status] ?? (status >= 500 ? 'unavailable' : 'invalid');
  return new HeadwaterError(
    kind,
    `${server}: answered with status ${status}, and not as a Headwater server does`,
  );
}

function errorIn(text: string): { kind: ErrorKind | 'internal'; message: string } | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: { kind?: unknown; message?: unknown } };
    if (typeof error?.kind !== 'string' || typeof error.message !== 'string') return undefined;
    if (!known.has(error.kind)) return undefined;
    // Lines of their own are ours: a message lists several mistakes. Whoever answers may be no Headwater at all.
    const message = error.message
      .slice(0, longestMessage)
      .split('\n')
      .map((line) => quotable(line, longestMessage));
    return { kind: error.kind as ErrorKind | 'internal', message: message.join('\n') };
  } catch {
    return undefined;
  }
}
