import { randomBytes } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { RequestSample } from '../ops/metrics.ts';
import { type AddressLimit, addressKey } from './connection/address-limit.ts';
import type { BodyWatch } from './connection/body-watch.ts';
import { clientAddress, type ProxyTrust } from './connection/client-address.ts';
import type { OnRefused } from './connection/refusals.ts';
import { refuseRequest } from './connection/refuse-request.ts';
import type { DocumentsHandler } from './documents/documents-handler.ts';

/** What is known of an answered request. */
export interface AnsweredRequest extends RequestSample {
  id: string;
  target: string;
  remote: string;
  agent: string;
  encrypted: boolean;
  /** The client left, or the answer broke, before its end. */
  broken: boolean;
}

/** Where the front leaves the id of a request for those behind it. */
export const requestIdHeader = 'x-request-id';

/** What logs and metrics call the status of a request whose client left before any answer, as nginx does. */
const clientLeft = 499;

const processId = randomBytes(4).toString('hex');
let requestCount = 0;

/**
 * The first to see a request: gives it an id, answers products documents at once, hands everything else to the
 * application, and tells when it is answered.
 */
export function createFront(services: {
  documents: DocumentsHandler;
  application: RequestListener;
  onAnswered: (request: AnsweredRequest) => void;
  /** Plain HTTP beside TLS: only what the application lets through without it. */
  plainIsLimited: boolean;
  bodies: BodyWatch;
  proxies: ProxyTrust;
  /** How many requests may be under way. */
  requests: AddressLimit;
  onRefused: OnRefused;
}): RequestListener {
  const { documents, application, onAnswered, plainIsLimited, bodies, proxies, requests, onRefused } =
    services;
  return (request, response) => {
    const started = performance.now();
    // It is gone from the request once the connection is closed.
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

/** Probes get an answer however many requests are under way; it is short. */
function isProbe({ url = '' }: IncomingMessage): boolean {
  return /^\/(healthz|readyz)(\?|$)/.test(url);
}

/** The client's id when it sent a harmless one, else a new one. */
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
  if (/^\/1\.0(\/|\?|$)/.test(target)) return 'registry';
  return /^\/+api\//.test(target) ? 'api' : 'other';
}
