import { codeOf, type ErrorKind, errorKinds, HeadwaterError, messageOf, quotable } from '../../errors.ts';
import { defined } from '../../model/defined.ts';

/** A response with its complete body. */
export interface ApiResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** Error codes of Node.js for an untrusted certificate. */
const distrustCodes = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);

/** Kinds for responses that do not come from Headwater, but from a proxy. */
const kindOfStatus: Record<number, ErrorKind> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not-found',
  409: 'conflict',
  413: 'too-large',
  507: 'no-space',
};

/** The kinds that a response may contain. */
const reportableKinds = [...errorKinds, 'internal'] as const;

/** The longest part of a server's message that is shown, in characters. */
const maxMessageLength = 8000;

/** The server could not be reached, or the connection broke. */
export class ConnectionError extends HeadwaterError {
  /** Whether another attempt may succeed. */
  readonly transient: boolean;

  constructor(message: string, cause: unknown, transient: boolean) {
    super('unavailable', message, { cause });
    this.transient = transient;
  }
}

/** The error for a server that could not be reached: why, and what to do. */
export function connectionError(server: string, error: unknown): ConnectionError {
  const code = codeOf(error) ?? '';
  if (distrustCodes.has(code)) {
    return new ConnectionError(
      `${server}: the certificate is not trusted. Use --ca FILE (a self-signed certificate is in the data directory of the server, tls/server.crt)`,
      error,
      false,
    );
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'CERT_HAS_EXPIRED') {
    return new ConnectionError(
      `${server}: the certificate is not valid: ${messageOf(error)}. Use an address that it names, or renew it`,
      error,
      false,
    );
  }
  if (code === 'ENOTFOUND') {
    return new ConnectionError(`${server}: no such host`, error, false);
  }
  // When every address of a host failed, the reasons are inside.
  const reason = error instanceof AggregateError ? (error.errors.map(messageOf)[0] ?? '') : messageOf(error);
  return new ConnectionError(`${server}: cannot be reached: ${reason}`, error, true);
}

/** The error in a response without success. */
export function responseError(server: string, { status, headers, text }: ApiResponse): HeadwaterError {
  const reported = errorIn(text);
  if (reported !== undefined && reported.kind !== 'internal')
    return new HeadwaterError(reported.kind, reported.message, defined({ fields: reported.fields }));
  if (reported !== undefined) return new HeadwaterError('unavailable', `${server}: ${reported.message}`);
  if (status >= 300 && status < 400) {
    const location = String(headers['location']);
    const address = URL.canParse(location) ? new URL(location).origin : 'null';
    return new HeadwaterError(
      'usage',
      address === 'null'
        ? `${server}: the server redirects to an invalid address`
        : `${server}: the server redirects to ${address}. Use that address with --server`,
    );
  }
  const kind = kindOfStatus[status] ?? (status >= 500 ? 'unavailable' : 'invalid');
  return new HeadwaterError(
    kind,
    `${server}: status ${status}, and the response is not from a Headwater server`,
  );
}

/** The error in a response of Headwater. */
interface ReportedError {
  kind: ErrorKind | 'internal';
  message: string;
  fields?: string[];
}

function errorIn(text: string): ReportedError | undefined {
  try {
    const { error }: { error?: Partial<Record<keyof ReportedError, unknown>> } = JSON.parse(text);
    const kind = reportableKinds.find((known) => known === error?.kind);
    if (kind === undefined || typeof error?.message !== 'string') return undefined;
    // Line breaks stay, because a message may list several errors. The rest is quoted: the server may not be Headwater.
    const message = error.message
      .slice(0, maxMessageLength)
      .split('\n')
      .map((line) => quotable(line, maxMessageLength));
    const fields = Array.isArray(error.fields)
      ? error.fields.filter((field): field is string => typeof field === 'string')
      : undefined;
    return {
      kind,
      message: message.join('\n'),
      ...defined({ fields }),
    };
  } catch {
    return undefined;
  }
}
