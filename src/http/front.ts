import { randomBytes } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { RequestSample } from '../ops/metrics.ts';
import { type AddressLimit, addressKey } from './connection/address-limit.ts';
import type { BodyWatch } from './connection/body-watch.ts';
import { clientAddress, type ProxyTrust } from './connection/client-address.ts';
import type { OnRefused } from './connection/refusals.ts';
import { refuseRequest } from './connection/refuse-request.ts';
import type { DocumentsHandler } from './documents/documents-handler.ts';

/** The facts about an answered request. */
export interface AnsweredRequest extends RequestSample {
  id: string;
  target: string;
  remote: string;
  agent: string;
  encrypted: boolean;
  /** Whether the client disconnected, or the response broke, before its end. */
  broken: boolean;
}

/** The property in which the front stores the id of a request for later handlers. */
export const requestIdHeader = 'x-request-id';

/** The status in logs and metrics of a request whose client disconnected before any response, as in nginx. */
const clientLeft = 499;

const processId = randomBytes(4).toString('hex');
let requestCount = 0;

/**
 * The first handler of a request: gives it an id, serves products documents at once, passes all other requests to the
 * application, and reports when it is answered.
 */
export function createFront(services: {
  documents: DocumentsHandler;
  application: RequestListener;
  onAnswered: (request: AnsweredRequest) => void;
  /** Plain HTTP beside TLS: only what the application lets through without it. */
  plainIsLimited: boolean;
  bodies: BodyWatch;
  proxies: ProxyTrust;
  /** The limits on active requests. */
  requests: AddressLimit;
  onRefused: OnRefused;
}): RequestListener {
  const { documents, application, onAnswered, plainIsLimited, bodies, proxies, requests, onRefused } =
    services;
  return (request, response) => {
    const started = performance.now();
    // The request no longer has it once the connection is closed.
    const { socket } = request;
    const encrypted = 'encrypted' in socket;
    const id = requestId(request);
    proxies.see(request);
    const answered = (bytes: number, surface: string) => {
      const broken = response.destroyed && !response.writableFinished;
      onAnswered({
        id,
        surface,
        method: request.method ?? '',
        target: request.url ?? '',
        status: broken && !response.headersSent ? clientLeft : response.statusCode,
        bytes,
        seconds: (performance.now() - started) / 1000,
        remote: clientAddress(request),
        agent: request.headers['user-agent'] ?? '',
        encrypted,
        broken,
      });
    };
    if (!isProbe(request)) {
      const address = clientAddress(request);
      const key = addressKey(address);
      const exceeded = requests.take(key);
      if (exceeded !== undefined) {
        onRefused(exceeded === 'address' ? 'requestsPerAddress' : 'requests', address);
        response.setHeader('X-Request-Id', id);
        response.once('close', () => answered(0, surfaceOf(request.url ?? '')));
        refuseRequest(request, response, exceeded);
        return;
      }
      response.on('close', () => requests.release(key));
    }
    if (encrypted || !plainIsLimited) {
      const bytes = documents.answerAtOnce(request, response, id);
      if (bytes !== undefined) {
        answered(bytes, 'documents');
        return;
      }
    }
    bodies.watch(request, response);
    response.setHeader('X-Request-Id', id);
    request.headers[requestIdHeader] = id;
    const before = socket.bytesWritten;
    response.once('close', () => {
      const sent = Math.max(0, socket.bytesWritten - before);
      answered(bodyLength(response, sent), surfaceOf(request.url ?? ''));
    });
    application(request, response);
  };
}

/** Probes are answered regardless of the number of active requests; their responses are short. */
function isProbe({ url = '' }: IncomingMessage): boolean {
  return /^\/(healthz|readyz)(\?|$)/.test(url);
}

/** The client's id if it sent a harmless one, otherwise a new one. */
function requestId(request: IncomingMessage): string {
  const given = request.headers[requestIdHeader];
  if (typeof given === 'string' && /^[\w.:-]{1,64}$/.test(given)) return given;
  requestCount++;
  return `${processId}-${requestCount.toString(36)}`;
}

function bodyLength(response: ServerResponse, sent: number): number {
  if (!response.writableFinished) return sent;
  const length = Number(response.getHeader('content-length') ?? 0);
  return response.req.method === 'HEAD' || Number.isNaN(length) ? 0 : length;
}

function surfaceOf(target: string): string {
  if (/^\/+streams\//.test(target)) return 'documents';
  if (/^\/+images\//.test(target)) return 'images';
  if (/^\/+(meta|pks)\//.test(target)) return 'lxc';
  if (/^\/+sysupdate\//.test(target)) return 'systemd';
  if (/^\/1\.0(\/|\?|$)/.test(target)) return 'registry';
  if (/^\/v2(\/|\?|$)/.test(target)) return 'oci';
  return /^\/+api\//.test(target) ? 'api' : 'other';
}
