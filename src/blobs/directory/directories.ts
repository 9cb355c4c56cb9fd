import { mkdir } from 'node:fs/promises';
import { dirname, relative, sep } from 'node:path';
import { codeOf } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';

/** Creates the directories of a store durably, each once. */
export class Directories {
  readonly #root: string;
  readonly #sync: (directory: string) => Promise<void>;
  readonly #made = new Set<string>();

  /** @param sync resolves when the disk has the names in a directory */
  constructor(root: string, sync: (directory: string) => Promise<void>) {
    this.#root = root;
    this.#sync = sync;
  }

  /** Creates a directory and those above it, if they are missing. */
  async make(path: string): Promise<void> {
    if (this.#made.has(path)) return;
    try {
      await this.#makeOne(path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || dirname(path) === path)
        throw fileError(error, { path, doing: 'create' });
      await this.make(dirname(path));
      await this.#makeOne(path).catch((failure: unknown) => {
        throw fileError(failure, { path, doing: 'create' });
      });
    }
    this.#made.add(path);
  }

  /** Creates a directory again that has vanished; its parent must exist. */
  async remake(path: string): Promise<void> {
    await this.#makeOne(path).catch((error: unknown) => {
      throw fileError(error, { path, doing: 'create' });
    });
  }

  async #makeOne(path: string): Promise<void> {
    const created = await mkdir(path, { mode: 0o700 }).then(
      () => true,
      (error: unknown) => {
        if (codeOf(error) === 'EEXIST') return false;
        throw error;
      },
    );
    // Another process may have created it and not have synced it yet. What is outside of the store existed before, and
    // may not be ours to open.
    if (created || this.#contains(path)) await this.#sync(dirname(path));
  }

  #contains(path: string): boolean {
    const below = relative(this.#root, path);
    return below !== '' && below !== '..' && !below.startsWith(`..${sep}`);
  }
}
