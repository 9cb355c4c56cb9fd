import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { asError } from '../../errors.ts';

/** A response with its whole body. */
export interface CollectedResponse {
  statusCode: number;
  headers: IncomingHttpHeaders;
  /** Empty unless the status is 200 or 206. */
  bytes: Buffer;
}

/** How to collect a response. */
export interface CollectOptions {
  signal?: AbortSignal;
  /** How many bytes the body may have, and the error when it has more. */
  limit: { bytes: number; error: () => Error };
  /** Called with the number of bytes that arrived. */
  onReceived?: (bytes: number) => void;
}

/** The most bytes of an error page that are read to keep the connection. */
const maxErrorPage = 128 * 1024;

/**
 * Makes a request and collects the small response. `request` of undici creates a stream for each response, which is a
 * good part of the cost of thousands of small ones.
 * @throws the errors of undici and of the signal, and `limit.error`
 */
export async function collectResponse(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  options: CollectOptions,
): Promise<CollectedResponse> {
  const { signal } = options;
  signal?.throwIfAborted();
  return await new Promise((resolve, reject) => {
    const collector = new Collector(options, resolve, reject);
    if (signal !== undefined) collectorsUnder(signal).add(collector);
    dispatcher.dispatch(request, collector);
  });
}

const collectors = new WeakMap<AbortSignal, Set<Collector>>();

/** The collectors that a signal aborts. They share one listener: adding a listener takes time proportional to their number. */
function collectorsUnder(signal: AbortSignal): Set<Collector> {
  const known = collectors.get(signal);
  if (known !== undefined) return known;
  const running = new Set<Collector>();
  collectors.set(signal, running);
  signal.addEventListener('abort', () => {
    for (const collector of running) collector.abort();
  });
  return running;
}

class Collector implements Dispatcher.DispatchHandler {
  readonly #options: CollectOptions;
  readonly #resolve: (response: CollectedResponse) => void;
  readonly #reject: (error: Error) => void;
  readonly #chunks: Buffer[] = [];
  #controller: Dispatcher.DispatchController | undefined;
  #response: Omit<CollectedResponse, 'bytes'> | undefined;
  #received = 0;

  constructor(
    options: CollectOptions,
    resolve: (response: CollectedResponse) => void,
    reject: (error: Error) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  abort(): void {
    this.#controller?.abort(asError(this.#options.signal?.reason));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#options.signal?.aborted === true) this.abort();
  }

  onResponseStart(_: Dispatcher.DispatchController, statusCode: number, headers: IncomingHttpHeaders): void {
    this.#response = { statusCode, headers };
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { limit, onReceived } = this.#options;
    const isWanted = this.#response?.statusCode === 200 || this.#response?.statusCode === 206;
    this.#received += chunk.length;
    if (!isWanted) {
      if (this.#received > maxErrorPage) controller.abort(new Error('the error page is too large'));
      return;
    }
    onReceived?.(chunk.length);
    if (this.#received > limit.bytes) controller.abort(limit.error());
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.#end();
    const [first, second] = this.#chunks;
    const bytes = first !== undefined && second === undefined ? first : Buffer.concat(this.#chunks);
    if (this.#response !== undefined) this.#resolve({ ...this.#response, bytes });
    else this.#reject(new Error('the response has no headers'));
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#end();
    const { statusCode } = this.#response ?? {};
    // The status of a refusal is all that matters.
    if (this.#response !== undefined && statusCode !== 200 && statusCode !== 206) {
      this.#resolve({ ...this.#response, bytes: Buffer.alloc(0) });
    } else {
      this.#reject(error);
    }
  }

  #end(): void {
    const { signal } = this.#options;
    if (signal !== undefined) collectorsUnder(signal).delete(this);
  }
}
