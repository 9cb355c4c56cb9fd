import type { IncomingMessage, ServerResponse } from 'node:http';
import { senderOf } from '../sender.ts';
import { clientAddress } from './client-address.ts';
import type { OnRefused } from './refusals.ts';

/** The minimum progress of a body. */
export interface BodyLimits {
  /** How often bodies are checked, in milliseconds. */
  checkInterval: number;
  /** Bytes that must arrive between two checks. */
  minBytes: number;
  /** How many checks in a row may find fewer. */
  maxSlowChecks: number;
}

/**
 * An image may take hours, but not for ever: no real connection transfers less than 100 bytes a second for a minute.
 */
const defaultLimits: BodyLimits = { checkInterval: 10_000, minBytes: 1000, maxSlowChecks: 6 };

interface Watched {
  request: IncomingMessage;
  response: ServerResponse;
  seen: number;
  slow: number;
}

/**
 * Closes the connections of clients that send a body too slowly, or continue it after the response. Node.js has a limit
 * for the whole request only, which uploads of images must not have.
 */
export class BodyWatch {
  readonly #limits: BodyLimits;
  readonly #watched = new Set<Watched>();
  readonly #timer: NodeJS.Timeout;
  readonly #onRefused: OnRefused;

  constructor(limits: BodyLimits = defaultLimits, onRefused: OnRefused = () => undefined) {
    this.#limits = limits;
    this.#onRefused = onRefused;
    this.#timer = setInterval(() => this.#look(), limits.checkInterval).unref();
  }

  /** Watches the body of a request, if it has one. */
  watch(request: IncomingMessage, response: ServerResponse): void {
    const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
    if (coding === undefined && (length === undefined || length === '0')) return;
    const watched = { request, response, seen: request.socket.bytesRead, slow: 0 };
    this.#watched.add(watched);
    const done = () => this.#watched.delete(watched);
    request.once('end', done).once('close', done);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { minBytes, maxSlowChecks } = this.#limits;
    for (const watched of this.#watched) {
      const { request, response } = watched;
      const { bytesRead } = request.socket;
      // Bytes that have arrived but were not read wait for us: the client is not slow.
      const isSlow = bytesRead - watched.seen < minBytes && request.readableLength === 0;
      watched.slow = isSlow || response.writableFinished ? watched.slow + 1 : 0;
      watched.seen = bytesRead;
      if (watched.slow < maxSlowChecks) continue;
      if (!request.socket.destroyed) this.#onRefused('slowUpload', clientAddress(request), senderOf(request));
      request.socket.destroy();
    }
  }
}
