import { rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { entriesOf, removeFile, statOf } from '../../files/file-system.ts';
import type { Digest } from '../../model/digest.ts';
import { asideKey, asideOfKey, asideReasons, asideRoot, returningReasons } from '../blob-key.ts';
import type { AsideBlob, AsideReason } from '../blob-store.ts';
import type { Directories } from './directories.ts';
import { renewFile } from './renew-file.ts';

/** Blobs of a directory store that were set aside: `aside/<reason>/<hex>`. Their ctime is the time of that. */
export class AsideDirectory {
  readonly #root: string;
  readonly #directories: Directories;
  readonly #sync: (directories: readonly string[]) => Promise<void>;

  /** @param root of the store */
  constructor(
    root: string,
    directories: Directories,
    sync: (directories: readonly string[]) => Promise<void>,
  ) {
    this.#root = root;
    this.#directories = directories;
    this.#sync = sync;
  }

  /** Moves the file of a blob here; one that does not exist is a success. */
  async put(from: string, digest: Digest, reason: AsideReason): Promise<void> {
    const to = this.#path(digest, reason);
    await this.#directories.make(dirname(to));
    // A rename does not set the ctime on every file system.
    await renewFile(from);
    await this.#move(from, to);
  }

  async *list(): AsyncIterable<AsideBlob> {
    for (const reason of asideReasons) {
      for (const { name } of await entriesOf(join(this.#root, asideRoot, reason))) {
        const blob = asideOfKey(`${asideRoot}${reason}/${name}`);
        const stat = blob === undefined ? undefined : await statOf(this.#path(blob.digest, reason));
        if (blob !== undefined && stat !== undefined) {
          yield { ...blob, size: stat.size, modified: stat.ctime };
        }
      }
    }
  }

  /** Moves a blob back to the blobs. @returns false when it was not set aside, or is damaged */
  async take(digest: Digest, to: string): Promise<boolean> {
    for (const reason of returningReasons) {
      const from = this.#path(digest, reason);
      if ((await statOf(from)) === undefined) continue;
      await this.#directories.make(dirname(to));
      if (await this.#move(from, to)) return true;
    }
    return false;
  }

  async remove(digest: Digest, reason: AsideReason): Promise<void> {
    await removeFile(this.#path(digest, reason));
  }

  async #move(from: string, to: string): Promise<boolean> {
    try {
      await rename(from, to);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw fileError(error, { path: from, doing: 'move' });
      if ((await statOf(from)) === undefined) return false;
      await this.#directories.remake(dirname(to));
      await rename(from, to).catch((failure: unknown) => {
        throw fileError(failure, { path: from, doing: 'move' });
      });
    }
    await this.#sync([dirname(from), dirname(to)]);
    return true;
  }

  #path(digest: Digest, reason: AsideReason): string {
    return join(this.#root, asideKey(digest, reason));
  }
}
