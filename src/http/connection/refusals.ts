import { type LimitName, limitErrorOf } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { keysOf } from '../../model/keys-of.ts';

/** A limit that refuses something. */
export type RefusalReason = LimitName | ConnectionLimit;

type ConnectionLimit =
  | 'connections'
  | 'connectionsPerAddress'
  | 'requests'
  | 'requestsPerAddress'
  | 'pipelining'
  | 'sendTimeout'
  | 'slowHeaders'
  | 'slowUpload'
  | 'handshake'
  | 'unreadEvents';

/** The settings of the limits, as logs and metrics name those; some limits are fixed. */
const settings: Record<RefusalReason, string | undefined> = {
  connections: 'limits.connections',
  connectionsPerAddress: 'limits.connectionsPerAddress',
  requests: 'limits.requests',
  requestsPerAddress: 'limits.requestsPerAddress',
  pipelining: undefined,
  sendTimeout: 'limits.sendTimeout',
  slowHeaders: undefined,
  slowUpload: undefined,
  handshake: undefined,
  unreadEvents: undefined,
  uploadSize: 'limits.uploadSize',
  unfinishedUploads: 'limits.unfinishedUploads',
  unfinishedUploadBytes: 'limits.unfinishedUploadBytes',
  streamQuota: 'registry.streamQuota',
  entryQuota: 'registry.entryQuota',
  examinationMemory: 'limits.examinationMemory',
  examinationTimeout: 'limits.examinationTimeout',
  operations: undefined,
  joinAttempts: undefined,
  bodySize: undefined,
  metadataSize: undefined,
};

/** All limits, as logs and metrics name them. */
export const refusalReasons = keysOf(settings);

/** Records that a limit refuses a client. @param who `client:NAME` or `token:NAME`, if it is authenticated */
export type OnRefused = (reason: RefusalReason, address: string, who?: string) => void;

/** How many refusals are logged individually in an interval; further ones are only counted. */
const maxLogged = 20;
/** The interval, in milliseconds. */
const logInterval = 60_000;

/**
 * Logs and counts the refusals of limits, with the address and the identity of the client. Each reason and client is
 * logged once in a minute, at most twenty of them; the number of others is logged at the end of the minute.
 */
export class Refusals {
  readonly #log: (details: object, message: string) => void;
  readonly #count: (reason: RefusalReason) => void;
  readonly #logged = new Set<string>();
  readonly #suppressed = new Map<RefusalReason, number>();
  /** Errors that were recorded: some pass several places that record them. */
  readonly #noted = new WeakSet<Error>();
  #timer: NodeJS.Timeout | undefined;

  constructor(sinks: {
    log: (details: object, message: string) => void;
    count: (reason: RefusalReason) => void;
  }) {
    this.#log = sinks.log;
    this.#count = sinks.count;
  }

  readonly note: OnRefused = (reason, address, who) => {
    this.#count(reason);
    this.#timer ??= setTimeout(() => this.#endInterval(), logInterval).unref();
    const key = `${reason} ${address} ${who ?? ''}`;
    if (this.#logged.has(key) || this.#logged.size >= maxLogged) {
      this.#suppressed.set(reason, (this.#suppressed.get(reason) ?? 0) + 1);
      return;
    }
    this.#logged.add(key);
    const setting = settings[reason];
    this.#log(
      {
        limit: reason,
        ...defined({ setting }),
        remote: address,
        ...defined({ client: who }),
      },
      'a limit refused a client',
    );
  };

  /** Records an error once, if it is the refusal of a limit. */
  noteError(error: unknown, address: string, who?: string): void {
    const refusal = limitErrorOf(error);
    if (refusal === undefined || this.#noted.has(refusal)) return;
    this.#noted.add(refusal);
    this.note(refusal.limit, address, who);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#endInterval();
  }

  #endInterval(): void {
    this.#timer = undefined;
    this.#logged.clear();
    if (this.#suppressed.size === 0) return;
    this.#log({ more: Object.fromEntries(this.#suppressed) }, 'limits refused more clients');
    this.#suppressed.clear();
  }
}
