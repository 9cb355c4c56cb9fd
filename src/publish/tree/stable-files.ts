import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { performance } from 'node:perf_hooks';
import { codeOf, isKind } from '../../errors.ts';

/** What is known of a directory or version whose files may still change. */
interface State {
  /** Names, sizes and times of its files when it was last looked at. */
  signature: string;
  /** Since when they have been so, on a clock that only goes forward. */
  since: number;
  /** When to deal with it again although its files are the same. */
  retryAt: number;
  /** Whether it was dealt with as its files are. */
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

  /** Whether a thing was looked at, or finished, and not forgotten since. */
  has(key: string): boolean {
    return this.#states.has(key) || this.#finished.has(key);
  }

  isFinished(key: string): boolean {
    return this.#finished.has(key);
  }

  /** Looks at a thing's files: `ready` when they have settled and were not dealt with as they are. */
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

  /** The thing need not be looked at again, whatever becomes of its files. */
  finish(key: string): void {
    this.#states.delete(key);
    this.#finished.add(key);
  }

  /** The thing was dealt with as its files are; with an error, in vain. What is not their fault is tried again. */
  handle(key: string, error?: unknown): void {
    const state = this.#states.get(key);
    if (state === undefined) return;
    state.handled = true;
    state.retryAt = isPassing(error) ? performance.now() + this.#retry : Number.POSITIVE_INFINITY;
  }

  /** Forgets the things that are gone. */
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
