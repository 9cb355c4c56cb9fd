import { randomUUID } from 'node:crypto';
import type { Known } from '../../access/access.ts';
import { HeadwaterError } from '../../errors.ts';

/** The status of an operation (https://documentation.ubuntu.com/lxd/stable-5.0/rest-api/#list-of-current-status-codes). */
const statuses = { Running: 103, Success: 200, Failure: 400, Cancelled: 401 } as const;
type Status = keyof typeof statuses;

/** An operation as clients see it. */
export interface OperationView {
  id: string;
  class: 'task' | 'token';
  description: string;
  created_at: string;
  updated_at: string;
  status: Status;
  status_code: number;
  resources: Record<string, string[]>;
  metadata: Record<string, unknown>;
  may_cancel: boolean;
  err: string;
  location: string;
}

export interface OperationOptions {
  /** For people. */
  description: string;
  /** The paths of the objects that it concerns, by kind: `{ images: ['/1.0/images/…'] }`. */
  resources?: Record<string, string[]>;
  /** The identity that may see it, wait for it and cancel it. */
  identity: Known;
  /** The metadata that clients get from the start; a client that knows its `secret` may wait for the operation. */
  metadata?: Record<string, unknown>;
}

/** What the work of an operation may do with the operation. */
export interface Progressing {
  readonly id: string;
  /** Aborted when a client cancels the operation. */
  readonly signal: AbortSignal;
  /** Adds metadata that clients see, such as `download_progress: 'rootfs: 50% (1.00MB/s)'`. */
  report(metadata: Record<string, unknown>): void;
}

/** An operation in the background: a task, or a token that waits to be used. */
export class Operation implements Progressing {
  readonly id = randomUUID();
  readonly class: OperationView['class'];
  readonly identity: Known;
  readonly #description: string;
  readonly #resources: Record<string, string[]>;
  readonly #createdAt = new Date();
  readonly #cancellation = new AbortController();
  readonly #changed: (operation: Operation) => void;
  readonly #location: string;
  #updatedAt = this.#createdAt;
  #status: Status = 'Running';
  #metadata: Record<string, unknown>;
  #error = '';

  constructor(
    options: OperationOptions & {
      class: OperationView['class'];
      location: string;
      /** Called after each change. */
      changed: (operation: Operation) => void;
    },
  ) {
    this.class = options.class;
    this.identity = options.identity;
    this.#description = options.description;
    this.#resources = options.resources ?? {};
    this.#metadata = options.metadata ?? {};
    this.#location = options.location;
    this.#changed = options.changed;
  }

  get path(): string {
    return `/1.0/operations/${this.id}`;
  }

  get signal(): AbortSignal {
    return this.#cancellation.signal;
  }

  get secret(): string | undefined {
    const { secret } = this.#metadata;
    return typeof secret === 'string' ? secret : undefined;
  }

  get ended(): boolean {
    return this.#status !== 'Running';
  }

  report(metadata: Record<string, unknown>): void {
    if (this.ended) return;
    this.#add(metadata);
    this.#touch();
  }

  /** Ends the operation in one of three ways; only the first call counts. */
  succeed(metadata: Record<string, unknown>): void {
    if (this.ended) return;
    this.#add(metadata);
    this.#end('Success', '');
  }

  fail(message: string): void {
    this.#end('Failure', message);
  }

  cancel(): void {
    this.#end('Cancelled', '');
    this.#cancellation.abort();
  }

  view(): OperationView {
    return {
      id: this.id,
      class: this.class,
      description: this.#description,
      created_at: this.#createdAt.toISOString(),
      updated_at: this.#updatedAt.toISOString(),
      status: this.#status,
      status_code: statuses[this.#status],
      resources: this.#resources,
      metadata: this.#metadata,
      may_cancel: !this.ended,
      err: this.#error,
      location: this.#location,
    };
  }

  #add(metadata: Record<string, unknown>): void {
    this.#metadata = { ...this.#metadata, ...metadata };
  }

  #end(status: Status, error: string): void {
    if (this.ended) return;
    this.#status = status;
    this.#error = error;
    this.#touch();
  }

  #touch(): void {
    this.#updatedAt = new Date();
    this.#changed(this);
  }
}

/** The error that the client of an operation gets: for a defect of ours, only a reference to the log. */
export function reasonOf(error: unknown, id: string): string {
  if (error instanceof HeadwaterError) return error.message;
  return `internal error: the server's log has the cause, under ${id}`;
}
