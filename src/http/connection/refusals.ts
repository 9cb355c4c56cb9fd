/** The limits that refuse something, as logs and metrics name them. */
export const refusalReasons = [
  'connections',
  'connectionsPerAddress',
  'requests',
  'requestsPerAddress',
  'pipelining',
  'sendTimeout',
  'slowUpload',
  'handshake',
  'unfinishedUploads',
  'unfinishedUploadBytes',
] as const;

/** A limit that refuses something. */
export type RefusalReason = (typeof refusalReasons)[number];

/** Told of a client that a limit refuses. */
export type OnRefused = (reason: RefusalReason, address: string) => void;

/** How many refusals are logged one by one in an interval; those that follow are only counted. */
const maxLogged = 20;
/** The interval, in milliseconds. */
const interval = 60_000;

/**
 * Logs what limits refuse, with the address. A reason and address are logged once in a minute, and not more than
 * twenty of them; how many more there were is logged at the end of the minute.
 */
export class Refusals {
  readonly #log: (details: object, message: string) => void;
  readonly #count: (reason: RefusalReason) => void;
  readonly #logged = new Set<string>();
  readonly #suppressed = new Map<RefusalReason, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(sinks: {
    log: (details: object, message: string) => void;
    count: (reason: RefusalReason) => void;
  }) {
    this.#log = sinks.log;
    this.#count = sinks.count;
  }

  readonly note: OnRefused = (reason, address) => {
    this.#count(reason);
    this.#timer ??= setTimeout(() => this.#endInterval(), interval).unref();
    const key = `${reason} ${address}`;
    if (this.#logged.has(key) || this.#logged.size >= maxLogged) {
      this.#suppressed.set(reason, (this.#suppressed.get(reason) ?? 0) + 1);
      return;
    }
    this.#logged.add(key);
    this.#log({ limit: reason, remote: address }, 'a limit refused a client');
  };

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
