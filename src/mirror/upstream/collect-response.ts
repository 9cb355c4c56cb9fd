import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';

/** An answer with all of its body. */
export interface WholeAnswer {
  statusCode: number;
  headers: IncomingHttpHeaders;
  /** Nothing of an answer that is not what was asked for. */
  bytes: Buffer;
}

/** What is wanted of an answer that is collected. */
export interface CollectOptions {
  signal?: AbortSignal;
  /** What the request fails with when the body has more than so many bytes. */
  most: { bytes: number; error: () => Error };
  /** Told of bytes that came. */
  onReceived?: (bytes: number) => void;
}

/** So many bytes of a page that explains an error are passed over to keep the connection. */
const largestExplanation = 128 * 1024;

/**
 * Makes a request for little and collects the answer. `request` of undici makes a stream of each, which is a good part of
 * what thousands of small ones cost.
 * @throws what undici and the signal fail with, and `most.error`
 */
export async function collect(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  options: CollectOptions,
): Promise<WholeAnswer> {
  const { signal } = options;
  signal?.throwIfAborted();
  return await new Promise((resolve, reject) => {
    const collector = new Collector(options, resolve, reject);
    if (signal !== undefined) collectorsUnder(signal).add(collector);
    dispatcher.dispatch(request, collector);
  });
}

const collectors = new WeakMap<AbortSignal, Set<Collector>>();

/** Those that a signal ends. It has one listener for all of them, since it goes through all it has for each that it gets. */
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
  readonly #resolve: (answer: WholeAnswer) => void;
  readonly #reject: (error: Error) => void;
  readonly #chunks: Buffer[] = [];
  #controller: Dispatcher.DispatchController | undefined;
  #answer: Omit<WholeAnswer, 'bytes'> | undefined;
  #received = 0;

  constructor(
    options: CollectOptions,
    resolve: (answer: WholeAnswer) => void,
    reject: (error: Error) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  abort(): void {
    this.#controller?.abort(this.#options.signal?.reason as Error);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#options.signal?.aborted === true) this.abort();
  }

  onResponseStart(_: Dispatcher.DispatchController, statusCode: number, headers: IncomingHttpHeaders): void {
    this.#answer = { statusCode, headers };
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { most, onReceived } = this.#options;
    const isWanted = this.#answer?.statusCode === 200 || this.#answer?.statusCode === 206;
    this.#received += chunk.length;
    if (!isWanted) {
      if (this.#received > largestExplanation) controller.abort(new Error('an explanation without an end'));
      return;
    }
    onReceived?.(chunk.length);
    if (this.#received > most.bytes) controller.abort(most.error());
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.#end();
    const [first, second] = this.#chunks;
    const bytes = first !== undefined && second === undefined ? first : Buffer.concat(this.#chunks);
    if (this.#answer !== undefined) this.#resolve({ ...this.#answer, bytes });
    else this.#reject(new Error('an answer without a beginning'));
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#end();
    const { statusCode } = this.#answer ?? {};
    // What matters of a refusal is here.
    if (this.#answer !== undefined && statusCode !== 200 && statusCode !== 206) {
      this.#resolve({ ...this.#answer, bytes: Buffer.alloc(0) });
    } else {
      this.#reject(error);
    }
  }

  #end(): void {
    const { signal } = this.#options;
    if (signal !== undefined) collectorsUnder(signal).delete(this);
  }
}
