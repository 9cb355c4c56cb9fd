import { randomBytes } from 'node:crypto';
import { statSync, truncateSync } from 'node:fs';
import { open, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, HeadwaterError } from '../../errors.ts';

const mebibyte = 2 ** 20;

/** Bytes of the reserve, unless the file system is small: then this fraction of it. */
const most = 8 * mebibyte;
const fraction = 32;

/** How many times the reserve can be used before it is empty. */
const portions = 8;

/** The available space. */
export interface Space {
  /** The present and the intended size of the reserve, in bytes. */
  reserved: number;
  wanted: number;
  /** Bytes that are free for all users. */
  free: number;
}

/**
 * Space that a data directory keeps for changes that free space: a file of some MiB. On a full disk, a change of the
 * catalog shortens it by a portion and uses the freed space, so that versions can be removed, tokens be made and
 * revoked, and garbage be collected. Changes that add bytes for good never use it. Several processes share it.
 */
export class Reserve {
  readonly #directory: string;
  readonly #file: string;
  #restoring: Promise<boolean> | undefined;

  /** @param directory the data directory */
  constructor(directory: string) {
    this.#directory = directory;
    this.#file = join(directory, 'reserve');
  }

  /**
   * Runs work that may need space, and repeats it with a portion of the reserve as long as the disk is full.
   * @throws HeadwaterError `no-space` when the reserve is used up; errors of `work`
   */
  async spend<Result>(work: () => Promise<Result>): Promise<Result> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const full = error instanceof HeadwaterError && error.kind === 'no-space';
        if (!full || !this.#release()) throw error;
      }
    }
  }

  /**
   * Refuses to add bytes while the reserve is used: the freed space is for changes that free more.
   * @throws HeadwaterError `no-space`
   */
  async assertWhole(): Promise<void> {
    if (this.#size() === undefined || (await this.restore())) return;
    throw new HeadwaterError(
      'no-space',
      'the disk of the data directory is full, and its reserve is used: free some space, then try again',
    );
  }

  /** Restores the reserve if the disk has room for twice its size. @returns whether it is complete */
  async restore(): Promise<boolean> {
    this.#restoring ??= this.#restore().finally(() => {
      this.#restoring = undefined;
    });
    return await this.#restoring;
  }

  async #restore(): Promise<boolean> {
    const { reserved, wanted, free } = await this.space();
    if (reserved >= wanted) return true;
    if (free < 2 * wanted) return false;
    const handle = await open(this.#file, 'a', 0o600);
    try {
      for (let at = reserved; at < wanted; at += mebibyte) {
        // Random, so that no file system stores it in less.
        await handle.appendFile(randomBytes(Math.min(mebibyte, wanted - at)));
      }
      return true;
    } catch (error) {
      if (codeOf(error) !== 'ENOSPC' && codeOf(error) !== 'EDQUOT') throw error;
      return false;
    } finally {
      await handle.close();
    }
  }

  async space(): Promise<Space> {
    const { bsize, blocks, bavail } = await statfs(this.#directory);
    const wanted = Math.min(most, Math.floor((bsize * blocks) / fraction));
    return { reserved: this.#size() ?? 0, wanted, free: bsize * bavail };
  }

  /** Frees a portion of the reserve. @returns false when nothing is left */
  #release(): boolean {
    const size = this.#size() ?? 0;
    if (size === 0) return false;
    const portion = Math.max(mebibyte / 4, Math.ceil(size / portions));
    truncateSync(this.#file, Math.max(0, size - portion));
    return true;
  }

  /** Bytes; undefined where there never was a reserve. */
  #size(): number | undefined {
    return statSync(this.#file, { throwIfNoEntry: false })?.size;
  }
}
