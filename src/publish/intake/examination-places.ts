import { LimitError } from '../../errors.ts';

/** The bounds of concurrent examinations: their number and memory. */
export interface ExaminationLimits {
  /** Examinations at a time, at least 2. */
  count: number;
  /** Bytes of memory for all of them; one may take half. */
  memory: number;
}

/**
 * - `streaming`: of bytes that are still arriving. Its sender may stall, so these get only part of the places and half of
 *   the memory, and one client only part of that.
 * - `whole`: of bytes that are all here.
 * - `small`: of small files that are all here. They are quick, so few at a time are enough.
 */
type ExaminationKind = 'streaming' | 'whole' | 'small';

export interface PlaceRequest {
  kind: ExaminationKind;
  /** The sender of the file: places are shared fairly among clients. */
  client: string;
  /** Bytes. */
  memory: number;
}

/** The examination of a file needs more memory than one file may use. */
export class TooMuchMemory extends LimitError {}

/** A place in use; it is released once. */
export interface Place {
  release(): void;
}

const maxSmallExaminations = 2;

interface Waiting extends PlaceRequest {
  resolve: (place: Place) => void;
}

/**
 * Bounds the concurrent examinations, in number and memory, and shares them fairly among clients: one that waits for a
 * place with few in use comes before one with many.
 */
export class ExaminationPlaces {
  readonly #limits: ExaminationLimits;
  readonly #streamingMost: number;
  readonly #streamingMostOfClient: number;
  readonly #running = new Set<PlaceRequest>();
  #waiting: Waiting[] = [];

  constructor(limits: ExaminationLimits) {
    this.#limits = limits;
    this.#streamingMost = Math.max(1, limits.count - Math.ceil(limits.count / 4));
    this.#streamingMostOfClient = Math.max(1, Math.floor(this.#streamingMost / 2));
  }

  get running(): number {
    return this.#running.size;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** @throws TooMuchMemory `too-large` for a file that needs more memory than one may use */
  assertAllowed(memory: number): void {
    const most = this.#limits.memory / 2;
    if (memory <= most) return;
    throw new TooMuchMemory(
      'examinationMemory',
      'too-large',
      `examining the file takes ${mebibytes(memory)} MiB of memory, and one file may take ${mebibytes(most)} MiB: compress it with a smaller window or dictionary, or raise limits.examinationMemory`,
    );
  }

  /** A place for bytes that are about to arrive, if one is free now. */
  tryTake(request: PlaceRequest): Place | undefined {
    return this.#waiting.length === 0 && this.#fits(request) ? this.#give(request) : undefined;
  }

  /** A place, as soon as it is this client's turn. @throws TooMuchMemory as {@link assertAllowed} */
  async take(request: PlaceRequest): Promise<Place> {
    this.assertAllowed(request.memory);
    return await new Promise<Place>((resolve) => {
      this.#waiting.push({ ...request, resolve });
      this.#serve();
    });
  }

  #serve(): void {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const { resolve, ...request } = next;
      this.#waiting = this.#waiting.filter((waiting) => waiting !== next);
      resolve(this.#give(request));
    }
  }

  /**
   * The next one to serve: of the client with the fewest places the one that has waited longest, if there is memory for
   * it.
   */
  #next(): Waiting | undefined {
    const inUse = new Map<string, number>();
    for (const { client } of this.#running) inUse.set(client, (inUse.get(client) ?? 0) + 1);
    const fair = [...this.#waiting].sort(
      (one, other) => (inUse.get(one.client) ?? 0) - (inUse.get(other.client) ?? 0),
    );
    for (const waiting of fair) {
      if (this.#fits(waiting)) return waiting;
      // Small files must not keep overtaking one for whose memory there is no room yet.
      if (!this.#isCrowded(waiting)) return undefined;
    }
    return undefined;
  }

  #fits(request: PlaceRequest): boolean {
    if (this.#isCrowded(request)) return false;
    const { memory } = this.#limits;
    const all = [...this.#running];
    const streaming = all.filter(({ kind }) => kind === 'streaming');
    if (request.kind === 'streaming' && sum(streaming) + request.memory > memory / 2) return false;
    return sum(all) + request.memory <= memory;
  }

  /** Whether all places are in use, regardless of memory. */
  #isCrowded({ kind, client }: PlaceRequest): boolean {
    if (this.#running.size >= this.#limits.count) return true;
    const alike = [...this.#running].filter((running) => running.kind === kind);
    if (kind === 'small') return alike.length >= maxSmallExaminations;
    if (kind === 'whole') return false;
    const own = alike.filter((running) => running.client === client);
    return alike.length >= this.#streamingMost || own.length >= this.#streamingMostOfClient;
  }

  #give(request: PlaceRequest): Place {
    const running = { ...request };
    this.#running.add(running);
    return {
      release: () => {
        if (this.#running.delete(running)) this.#serve();
      },
    };
  }
}

function sum(requests: readonly PlaceRequest[]): number {
  return requests.reduce((total, { memory }) => total + memory, 0);
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 1024 / 1024);
}
