import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { performance } from 'node:perf_hooks';
import { codeOf, isKind } from '../../errors.ts';

/** The state of a directory or version whose files may still change. */
interface State {
  /** Names, sizes and times of its files at the last check. */
  signature: string;
  /** Since when they have not changed, on a monotonic clock. */
  since: number;
  /** When to handle it again although its files are the same. */
  retryAt: number;
  /** Whether it was handled in this state. */
  handled: boolean;
}

/**
 * Remembers, for each of many groups of files, for how long its files have not changed, and whether they were handled in
 * that state. Times are in milliseconds.
 */
export class StableFiles {
  readonly #settle: number;
  readonly #retry: number;
  readonly #states = new Map<string, State>();
  readonly #finished = new Set<string>();

  /**
   * @param settle how long files must have been unchanged
   * @param retry how long to wait after a failure that was not the files' fault
   */
  constructor(settle: number, retry: number) {
    this.#settle = settle;
    this.#retry = retry;
  }

  /** Whether an entry was checked or finished, and not forgotten since. */
  has(key: string): boolean {
    return this.#states.has(key) || this.#finished.has(key);
  }

  isFinished(key: string): boolean {
    return this.#finished.has(key);
  }

  /**
   * Checks the files of an entry: `ready` when they have not changed for long enough and were not handled in this
   * state.
   */
  async look(key: string, paths: string[]): Promise<'ready' | 'settling' | 'handled'> {
    const signature = await signatureOf(paths);
    const now = performance.now();
    const state = this.#states.get(key);
    if (state === undefined || state.signature !== signature) {
      this.#states.set(key, { signature, since: now, retryAt: Number.POSITIVE_INFINITY, handled: false });
      return 'settling';
    }
    if (state.handled) return now >= state.retryAt ? 'ready' : 'handled';
    return now - state.since >= this.#settle && !paths.some(isUnfinished) ? 'ready' : 'settling';
  }

  /** The entry need not be checked again, even if its files change. */
  finish(key: string): void {
    this.#states.delete(key);
    this.#finished.add(key);
  }

  /**
   * The entry was handled in its present state, or failed with an error. An error that is not the files' fault is
   * retried.
   */
  handle(key: string, error?: unknown): void {
    const state = this.#states.get(key);
    if (state === undefined) return;
    state.handled = true;
    state.retryAt = isPassing(error) ? performance.now() + this.#retry : Number.POSITIVE_INFINITY;
  }

  /** Forgets entries that no longer exist. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const known of [this.#states, this.#finished]) {
      for (const key of known.keys()) {
        if (!keys.has(key)) known.delete(key);
      }
    }
  }
}

async function signatureOf(paths: string[]): Promise<string> {
  const lines = await Promise.all(
    paths.map(async (path) => {
      try {
        const { size, mtimeMs, ino } = await stat(path);
        return `${path} ${size} ${mtimeMs} ${ino}`;
      } catch (error) {
        return `${path} ${codeOf(error)}`;
      }
    }),
  );
  return lines.sort().join('\n');
}

/** Names that programs give to files while they write them. */
function isUnfinished(path: string): boolean {
  const name = basename(path);
  return name.startsWith('.') || name.endsWith('.part') || name.endsWith('.tmp');
}

function isPassing(error: unknown): boolean {
  return isKind(error, 'unavailable', 'no-space');
}
