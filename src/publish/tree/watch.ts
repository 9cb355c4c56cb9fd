import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '../../errors.ts';
import { StableFiles } from './stable-files.ts';
import { TreeScan, type TreeScanOptions } from './tree-scan.ts';
import { WatchHints } from './watch-hints.ts';

export interface WatchOptions extends TreeScanOptions {
  /** How long a version's files must have been unchanged, in milliseconds; 2,000 if omitted. */
  settle?: number;
  /** The longest time between two scans of the tree, in milliseconds; 10,000 if omitted. */
  interval?: number;
  /** Milliseconds after which a version is retried whose failure was not its own fault; 30,000 if omitted. */
  retry?: number;
}

// Scans in answer to changes may keep a processor this busy, and no busier.
const maxBusyShare = 0.2;
const minPause = 50;

/**
 * Publishes the present and future versions of a tree, each once it is complete: its files have not changed for a
 * while, none has a name that programs give to unfinished files, and the images that SHA256SUMS names exist. Continues
 * when the directory is removed, and made again. Versions are found as by `findVersions`.
 *
 * Resolves once the signal is aborted.
 */
export async function watchTree(directory: string, options: WatchOptions): Promise<void> {
  const { signal, settle = 2000, interval = 10_000, retry = 30_000 } = options;
  let nudge = new AbortController();
  const wake = () => nudge.abort();
  const hints = new WatchHints(wake);
  const scan = new TreeScan(directory, options, new StableFiles(settle, retry), hints);
  signal.addEventListener('abort', wake);
  try {
    while (!signal.aborted) {
      nudge = new AbortController();
      const started = performance.now();
      const unsettled = await scan.run();
      const pause = Math.max(minPause, (performance.now() - started) / maxBusyShare);
      await quietly(sleep(pause, undefined, { signal }));
      const rest = (unsettled ? Math.min(settle, interval) : interval) - pause;
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
