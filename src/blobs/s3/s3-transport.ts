import http from 'node:http';
import https from 'node:https';
import type { LookupFunction } from 'node:net';
import { defined } from '../../model/defined.ts';
import { parseFailure } from './s3-failure.ts';

export interface TransportOptions {
  secure: boolean;
  /** Milliseconds in which a connection must be made. */
  connectTimeout: number;
  /** Milliseconds in which nothing moves, after which a connection counts as dead. */
  idleTimeout: number;
  /** Finds the address of a host; the system's way when left out. */
  lookup?: LookupFunction;
}

/** Bytes of an error document that are read. */
const failureLimit = 64 * 1024;

/**
 * How the S3 client sends its requests: over kept connections, given up when nothing moves. An answer that says no
 * is an error of the request, with the status and what the service said; the client itself would lose both.
 */
export class S3Transport {
  readonly #options: TransportOptions;
  readonly agent: http.Agent;

  constructor(options: TransportOptions) {
    this.#options = options;
    const agentOptions = { keepAlive: true, maxFreeSockets: 16 };
    this.agent = options.secure ? new https.Agent(agentOptions) : new http.Agent(agentOptions);
  }

  /** As `request` of node:http. */
  readonly request = (
    options: http.RequestOptions,
    onResponse: (response: http.IncomingMessage) => void,
  ): http.ClientRequest => {
    const { secure, lookup } = this.#options;
    const answer: { response?: http.IncomingMessage } = {};
    const request = (secure ? https : http).request({ ...options, ...defined({ lookup }) }, (response) => {
      answer.response = response;
      if ((response.statusCode ?? 0) < 300) onResponse(response);
      else failWith(request, response);
    });
    this.#watch(request, answer);
    return request;
  };

  close(): void {
    this.agent.destroy();
  }

  #watch(request: http.ClientRequest, answer: { response?: http.IncomingMessage }): void {
    const { secure, connectTimeout, idleTimeout } = this.#options;
    request.once('socket', (socket) => {
      if (!socket.connecting) return;
      const timer = setTimeout(
        () => request.destroy(timeoutError(`no connection within ${connectTimeout} ms`)),
        connectTimeout,
      );
      socket.once(secure ? 'secureConnect' : 'connect', () => clearTimeout(timer));
      request.once('close', () => clearTimeout(timer));
    });
    request.setTimeout(idleTimeout, () => {
      // Bytes that wait to be read: then it is our reader that is slow.
      if (answer.response !== undefined && answer.response.readableLength > 0) return;
      request.destroy(timeoutError(`nothing came for ${idleTimeout} ms`));
    });
  }
}

function failWith(request: http.ClientRequest, response: http.IncomingMessage): void {
  let body = '';
  response.setEncoding('utf8');
  response.on('data', (text: string) => {
    if (body.length < failureLimit) body += text;
  });
  // Also when the document is cut off: the status says enough.
  response.on('error', () => undefined);
  response.once('close', () => request.emit('error', parseFailure(response.statusCode ?? 0, body)));
}

function timeoutError(message: string): Error {
  return Object.assign(new Error(message), { code: 'ETIMEDOUT' });
}
