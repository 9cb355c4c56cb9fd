import type { Dirent } from 'node:fs';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundleFiles } from '../../bundle/files.ts';
import type { CheckSignature } from '../../bundle/verify/open-bundle.ts';
import { codeOf, HeadwaterError, isKind } from '../../errors.ts';
import { entriesOf } from '../../files/file-system.ts';
import { StableFiles } from '../../publish/tree/stable-files.ts';
import { WatchHints } from '../../publish/tree/watch-hints.ts';
import { ArrivedFiles } from './arrived-files.ts';

export interface WatchOptions {
  /** Checks the signatures of bundles. */
  check: CheckSignature;
  /**
   * Imports the bundle in a directory; the next waits until this is done. A rejection goes to `onError`.
   * @param missing the files that have not arrived; empty if the bundle is complete
   */
  onBundle: (directory: string, missing: readonly string[]) => Promise<void>;
  /** Receives each failure once. The bundle is tried again after a while, and when its files change. */
  onError: (directory: string, error: unknown) => void;
  /** Ends the watching, between two bundles. */
  signal: AbortSignal;
  /** How long files must have been unchanged before they are read, in milliseconds; 2,000 if omitted. */
  settle?: number;
  /** The longest time between two looks at the directory, in milliseconds; 10,000 if omitted. */
  interval?: number;
  /** Milliseconds after which a bundle is tried again whose failure was not its own fault; 30,000 if omitted. */
  retry?: number;
  /** Milliseconds without a change after which an incomplete bundle is imported as far as it arrived; an hour if omitted. */
  patience?: number;
}

/** The shortest pause between two looks, in milliseconds. */
const minPause = 50;

/**
 * Imports bundles as they arrive in a directory: in its directories, or in itself. Files may come in any order, slowly and
 * more than once. A bundle is imported when all files that its `SHA256SUMS` names are complete, and again when they change.
 *
 * Resolves once the signal is aborted.
 */
export async function watchBundles(directory: string, options: WatchOptions): Promise<void> {
  const { signal, settle = 2000, interval = 10_000 } = options;
  let nudge = new AbortController();
  const wake = () => nudge.abort();
  const hints = new WatchHints(wake);
  const arrivals = new Arrivals(resolve(directory), options);
  signal.addEventListener('abort', wake);
  try {
    while (!signal.aborted) {
      nudge = new AbortController();
      const began = performance.now();
      const { directories, isSettling } = await arrivals.scan();
      hints.watch(directories);
      // Files that are written all the time must not keep a processor busy.
      const pause = Math.max(minPause, performance.now() - began);
      await quietly(sleep(pause, undefined, { signal }));
      const rest = (isSettling ? Math.min(settle, interval) : interval) - pause;
      if (!signal.aborted && rest > 0) await quietly(sleep(rest, undefined, { signal: nudge.signal }));
    }
  } finally {
    signal.removeEventListener('abort', wake);
    hints.close();
  }
}

/** Waits for a timer that may be cut short. */
async function quietly(timer: Promise<unknown>): Promise<void> {
  await timer.catch((error: unknown) => {
    if (codeOf(error) !== 'ABORT_ERR') throw error;
  });
}

/** The bundles of a directory, in the states in which they were found and imported. */
class Arrivals {
  readonly #directory: string;
  readonly #options: WatchOptions;
  readonly #files: ArrivedFiles;
  /** Of each bundle: whether it was imported in its present state. */
  readonly #imported: StableFiles;
  /** Of each bundle: whether nothing has arrived for long. */
  readonly #quiet: StableFiles;
  /** The last failure of each bundle, so that it is reported once. */
  readonly #failures = new Map<string, string>();

  constructor(directory: string, options: WatchOptions) {
    const { check, settle = 2000, retry = 30_000, patience = 3_600_000 } = options;
    this.#directory = directory;
    this.#options = options;
    this.#files = new ArrivedFiles(check, settle);
    this.#imported = new StableFiles(0, retry);
    this.#quiet = new StableFiles(patience, retry);
  }

  /**
   * Imports the bundles that have become complete, those with smaller numbers first.
   * @returns the directories to be watched, and whether files were found that may still change
   */
  async scan(): Promise<{ directories: Set<string>; isSettling: boolean }> {
    const found = await this.#candidates();
    const ready: { directory: string; sequence: number; missing: string[] }[] = [];
    let isSettling = false;
    for (const [directory, files] of found) {
      if (this.#options.signal.aborted) break;
      const state = await this.#imported.look(directory, files);
      const isQuiet = (await this.#quiet.look(directory, files)) === 'ready';
      if (state === 'handled') continue;
      isSettling = true;
      try {
        const arrival = await this.#files.look(directory);
        const { bundle, missing } = arrival;
        if (bundle === undefined || (missing.length > 0 && (!isQuiet || arrival.isSettling))) continue;
        // A file may have come since the list was made.
        if (state === 'ready') ready.push({ directory, sequence: bundle.content.sequence, missing });
      } catch (error) {
        // As long as files arrive, a manifest may be of one bundle and its signature of another.
        if (!isKind(error, 'invalid', 'not-found')) throw error;
        if (state === 'ready') this.#fail(directory, error);
      }
    }
    for (const { directory, missing } of ready.sort((one, other) => one.sequence - other.sequence)) {
      if (this.#options.signal.aborted) break;
      await this.#import(directory, missing);
    }
    this.#forget(found);
    return { directories: new Set([this.#directory, ...found.keys()]), isSettling };
  }

  async #import(directory: string, missing: readonly string[]): Promise<void> {
    try {
      await this.#options.onBundle(directory, missing);
      this.#imported.handle(directory);
      this.#failures.delete(directory);
    } catch (error) {
      if (this.#options.signal.aborted) return;
      this.#fail(directory, error);
    }
  }

  /** Only a bundle that is wrong by itself need not be tried again until its files change. */
  #fail(directory: string, error: unknown): void {
    const isItsFault = isKind(error, 'invalid');
    this.#imported.handle(directory, isItsFault ? error : new HeadwaterError('unavailable', 'again'));
    const message = error instanceof Error ? error.message : String(error);
    if (this.#failures.get(directory) === message) return;
    this.#failures.set(directory, message);
    this.#options.onError(directory, error);
  }

  /** The directories that may have a bundle, with the files in them. */
  async #candidates(): Promise<Map<string, string[]>> {
    const found = new Map<string, string[]>();
    const entries = await entriesOf(this.#directory);
    const files = filesOf(entries).map((name) => join(this.#directory, name));
    if (files.includes(join(this.#directory, bundleFiles.manifest))) found.set(this.#directory, files);
    for (const entry of entries) {
      if (!entry.isDirectory() || entry.name.startsWith('.')) continue;
      const path = join(this.#directory, entry.name);
      found.set(
        path,
        filesOf(await entriesOf(path)).map((name) => join(path, name)),
      );
    }
    return found;
  }

  #forget(found: ReadonlyMap<string, string[]>): void {
    const directories = new Set(found.keys());
    this.#imported.keepOnly(directories);
    this.#quiet.keepOnly(directories);
    this.#files.keepOnly(new Set([...found.values()].flat()));
    for (const directory of this.#failures.keys()) {
      if (!directories.has(directory)) this.#failures.delete(directory);
    }
  }
}

function filesOf(entries: readonly Dirent[]): string[] {
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}
