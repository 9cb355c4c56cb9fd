import { timingSafeEqual } from 'node:crypto';
import { type Identity, isAdministrator, type Known } from '../../access/access.ts';
import { HeadwaterError, LimitError } from '../../errors.ts';
import { Operation, type OperationOptions, type Progressing, reasonOf } from './operation.ts';

/** How long an operation stays visible after its end, in milliseconds. */
const endedLifetime = 5 * 60_000;
/** How many operations one identity may have, including ended ones that are still visible. */
const maxPerIdentity = 1000;

/** What the listeners of {@link Operations.subscribe} get: a text frame of `/1.0/events`. */
export type EventListener = (frame: string) => void;

/**
 * The operations in the background. They are kept in memory: a client that waits when the server stops sees its
 * connection end. The functions that an operation calls leave nothing incomplete.
 */
export class Operations {
  readonly #operations = new Map<string, Operation>();
  /** The same by owner, the oldest first. */
  readonly #owned = new Map<string, Set<Operation>>();
  readonly #waiting = new Map<Operation, Set<() => void>>();
  readonly #listeners = new Map<string, Set<EventListener>>();
  readonly #running = new Set<Promise<void>>();
  readonly #location: string;
  readonly #onDefect: (error: unknown, operation: string) => void;
  readonly #visible: () => Promise<void>;

  /**
   * @param options.location the name of the server, which every operation carries
   * @param options.visible resolves when clients see all changes that were made before: an operation succeeds only then
   */
  constructor(options: {
    location: string;
    onDefect: (error: unknown, operation: string) => void;
    visible?: () => Promise<void>;
  }) {
    this.#location = options.location;
    this.#onDefect = options.onDefect;
    this.#visible = options.visible ?? (() => Promise.resolve());
  }

  /**
   * Runs work in the background, whether or not its client stays connected, and returns at once. The result of the work
   * is added to the operation's metadata; an error of the work is the error of the operation.
   * @throws HeadwaterError `unavailable` when the identity has too many operations
   */
  start(
    options: OperationOptions & { work: (operation: Progressing) => Promise<Record<string, unknown>> },
  ): Operation {
    const operation = this.#add('task', options);
    const running = this.#run(operation, options.work);
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
    return operation;
  }

  /**
   * An operation that waits for a request with its `metadata.secret`. The handler of that request ends it (`succeed`,
   * `fail`); it is cancelled after its lifetime.
   * @param options.lifetime milliseconds
   * @param options.onEnd called once, however it ends
   * @throws HeadwaterError `unavailable` when the identity has too many operations
   */
  token(
    options: OperationOptions & {
      metadata: Record<string, unknown>;
      lifetime: number;
      onEnd?: () => void;
    },
  ): Operation {
    const operation = this.#add('token', options);
    const timer = setTimeout(() => operation.cancel(), options.lifetime);
    timer.unref();
    this.#whenEnded(operation, () => {
      clearTimeout(timer);
      options.onEnd?.();
    });
    return operation;
  }

  find(id: string): Operation | undefined {
    return this.#operations.get(id);
  }

  /** The operations that the identity may see. */
  list(identity: Identity): Operation[] {
    if (identity === undefined) return [];
    if (isAdministrator(identity)) return [...this.#operations.values()];
    return [...(this.#owned.get(keyOf(identity)) ?? [])];
  }

  /**
   * The operation, for an identity that may see it or knows its secret.
   * @throws HeadwaterError `not-found`, also when it belongs to another identity
   */
  demand(id: string, identity: Identity, secret?: string): Operation {
    const operation = this.find(id);
    if (operation !== undefined) {
      if (maySee(identity, operation)) return operation;
      if (secret !== undefined && operation.secret !== undefined && isSame(secret, operation.secret)) {
        return operation;
      }
    }
    throw new HeadwaterError('not-found', 'Operation not found');
  }

  /**
   * Resolves when the operation has ended, after the timeout, or when `signal` is aborted.
   * @param timeout milliseconds; no timeout if omitted
   */
  async wait(operation: Operation, timeout: number | undefined, signal: AbortSignal): Promise<void> {
    if (operation.ended || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#waiting.get(operation)?.delete(done);
        resolve();
      };
      const timer = timeout === undefined ? undefined : setTimeout(done, timeout);
      signal.addEventListener('abort', done);
      this.#whenEnded(operation, done);
    });
  }

  /**
   * Calls `listener` after every change of an operation that the identity may see.
   * @returns a function that ends the subscription
   */
  subscribe(identity: Known, listener: EventListener): () => void {
    const key = audienceOf(identity);
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(key) === listeners) this.#listeners.delete(key);
    };
  }

  /** Whether the identity has an active operation. */
  isBusy(identity: Known): boolean {
    return this.list(identity).some((operation) => operation.class === 'task' && !operation.ended);
  }

  /** Cancels everything and resolves when the work has ended. */
  async close(): Promise<void> {
    for (const operation of this.#operations.values()) operation.cancel();
    await Promise.all(this.#running);
  }

  #add(kind: Operation['class'], options: OperationOptions): Operation {
    const key = keyOf(options.identity);
    const own = this.#owned.get(key) ?? new Set();
    if (own.size >= maxPerIdentity) {
      const oldest = [...own].find(({ ended }) => ended);
      if (oldest === undefined) {
        throw new LimitError(
          'operations',
          'unavailable',
          `there are ${maxPerIdentity} active operations of this client: wait until some have ended`,
        );
      }
      this.#forget(oldest);
    }
    const operation = new Operation({
      ...options,
      class: kind,
      location: this.#location,
      changed: (changed) => this.#announce(changed),
    });
    this.#operations.set(operation.id, operation);
    this.#owned.set(key, (this.#owned.get(key) ?? new Set()).add(operation));
    this.#announce(operation);
    return operation;
  }

  async #run(
    operation: Operation,
    work: (operation: Progressing) => Promise<Record<string, unknown>>,
  ): Promise<void> {
    try {
      const result = await work(operation);
      await this.#visible();
      operation.succeed(result);
    } catch (error) {
      const isKnown = error instanceof HeadwaterError;
      if (!isKnown && !operation.signal.aborted) this.#onDefect(error, operation.id);
      operation.fail(reasonOf(error, operation.id));
    }
  }

  #announce(operation: Operation): void {
    const audiences = [keyOf(operation.identity), allOperations].map((key) => this.#listeners.get(key));
    if (audiences.some((listeners) => listeners !== undefined)) {
      const frame = this.#frame(operation);
      for (const listeners of audiences) for (const listener of listeners ?? []) listener(frame);
    }
    if (!operation.ended) return;
    setTimeout(() => this.#forget(operation), endedLifetime).unref();
    const waiting = this.#waiting.get(operation) ?? [];
    this.#waiting.delete(operation);
    for (const wake of waiting) wake();
  }

  #forget(operation: Operation): void {
    const key = keyOf(operation.identity);
    const own = this.#owned.get(key);
    this.#operations.delete(operation.id);
    own?.delete(operation);
    if (own?.size === 0) this.#owned.delete(key);
  }

  #frame(operation: Operation): string {
    return JSON.stringify({
      type: 'operation',
      timestamp: new Date().toISOString(),
      metadata: operation.view(),
      location: this.#location,
      project: 'default',
    });
  }

  #whenEnded(operation: Operation, wake: () => void): void {
    const waiting = this.#waiting.get(operation) ?? new Set();
    this.#waiting.set(operation, waiting.add(wake));
  }
}

/** Administrators see all operations. */
const allOperations = 'everything';

function audienceOf(identity: Known): string {
  return isAdministrator(identity) ? allOperations : keyOf(identity);
}

function maySee(identity: Identity, operation: Operation): boolean {
  if (identity === undefined) return false;
  return isAdministrator(identity) || keyOf(identity) === keyOf(operation.identity);
}

function keyOf({ kind, id }: Known): string {
  return `${kind} ${id}`;
}

function isSame(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}
