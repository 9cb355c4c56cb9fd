import { type FSWatcher, watch } from 'node:fs';
import { basename } from 'node:path';

// Far below the number of watches that Linux grants a user; a larger tree is still scanned as often.
const maxDirectories = 4096;

/**
 * Reports that something changed in one of the directories above a tree's versions. Only a hint: the system may drop
 * events, grant no watches, or know nothing of changes made by another machine on a network file system.
 */
export class WatchHints {
  readonly #onHint: () => void;
  readonly #watchers = new Map<string, FSWatcher>();

  /** @param onHint called often and at once; it should only note that it was called */
  constructor(onHint: () => void) {
    this.#onHint = onHint;
  }

  /** Watches exactly these directories from now on. */
  watch(directories: ReadonlySet<string>): void {
    for (const path of this.#watchers.keys()) {
      if (!directories.has(path)) this.#drop(path);
    }
    for (const path of directories) {
      if (this.#watchers.size >= maxDirectories) break;
      if (!this.#watchers.has(path)) this.#add(path);
    }
  }

  close(): void {
    for (const path of [...this.#watchers.keys()]) this.#drop(path);
  }

  #add(path: string): void {
    try {
      const watcher = watch(path, { persistent: false }, (_, name) => {
        // A directory that is removed reports its own name: its watcher is dead, and a directory created again needs a
        // new one.
        if (name === basename(path)) this.#drop(path);
        this.#onHint();
      });
      watcher.on('error', () => this.#drop(path));
      this.#watchers.set(path, watcher);
    } catch {
      // The system grants no watch (ENOSPC, EMFILE), or the directory is gone: the next scan finds out.
    }
  }

  #drop(path: string): void {
    this.#watchers.get(path)?.close();
    this.#watchers.delete(path);
  }
}
