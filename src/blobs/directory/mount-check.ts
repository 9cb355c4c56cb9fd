import { stat } from 'node:fs/promises';
import { fileError } from '../../files/file-error.ts';

/** How often to check that the directory exists, in milliseconds: a mirror run reads thousands of blobs. */
const checkInterval = 20;

/** Tells a blob that does not exist from a file system that is not mounted. */
export class MountCheck {
  readonly #directory: string;
  /** When the directory was last seen to exist, by the clock of `performance`. */
  #seenAt = Number.NEGATIVE_INFINITY;

  /** @param directory exists only when the file system is mounted */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** @throws HeadwaterError `unavailable` when the directory does not exist */
  async check(): Promise<void> {
    if (performance.now() - this.#seenAt < checkInterval) return;
    await stat(this.#directory).catch((error: unknown) => {
      throw fileError(error, { path: this.#directory, doing: 'read' });
    });
    this.#seenAt = performance.now();
  }
}
