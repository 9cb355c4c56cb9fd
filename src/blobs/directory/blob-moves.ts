import { access, constants, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { outcomeOf, resultOf } from '../../async/outcome.ts';
import { codeOf } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { removeFile, statOf } from '../../files/file-system.ts';
import type { Directories } from './directories.ts';
import type { GroupSync } from './group-sync.ts';
import { StagedFile } from './staged-file.ts';

/** A staged file, completely on disk, on its way to the name of its blob. */
export interface BlobMove {
  from: string;
  to: string;
  /** Called when the store did not have the blob before. */
  onNew: () => void;
}

/** Gives staged files their final names in a directory store. */
export class BlobMoves {
  readonly #staging: string;
  readonly #directories: Directories;
  readonly #sync: GroupSync;

  constructor(staging: string, directories: Directories, sync: GroupSync) {
    this.#staging = staging;
    this.#directories = directories;
    this.#sync = sync;
  }

  /**
   * Makes the moves, durable. A blob that exists is replaced by the same bytes.
   * @param onMoved called when a staged name is gone
   */
  async place(moves: readonly BlobMove[], onMoved?: (path: string) => void): Promise<void> {
    const directories = [...new Set(moves.map(({ to }) => dirname(to)))];
    await Promise.all(directories.map((directory) => this.#directories.make(directory)));
    // If one fails, the others are completed first; then the rest is removed.
    const moved = await Promise.all(
      moves.map(({ from, to, onNew }) =>
        outcomeOf(async () => {
          const isNew = (await statOf(to)) === undefined;
          await this.#move(from, to);
          if (isNew) onNew();
          onMoved?.(from);
        }),
      ),
    );
    moved.forEach(resultOf);
    await this.#sync.sync(directories);
  }

  /** Writes a small file, completely and durably, in place of the existing one. */
  async replace(path: string, bytes: Buffer): Promise<void> {
    await this.#stage(bytes, async (staged) => {
      await this.#move(staged.path, path);
      staged.moved();
    });
    await this.#sync.sync([dirname(path)]);
  }

  /**
   * Writes a file, moves it to a directory and removes it there: the directory may have another mount or owner than the
   * one of staged files.
   * @throws HeadwaterError the error of the disk
   */
  async check(directory: string): Promise<void> {
    await this.#stage(Buffer.from('ready?'), async (staged) => {
      const path = join(directory, basename(staged.path));
      await rename(staged.path, path).catch((error: unknown) => failMove(error, path, directory));
      staged.moved();
      await removeFile(path);
    });
  }

  async #stage(bytes: Buffer, use: (staged: StagedFile) => Promise<void>): Promise<void> {
    const staged = await StagedFile.create(this.#staging);
    try {
      await staged.write(bytes);
      await staged.finish((path) => this.#sync.sync([path]));
      await use(staged);
    } finally {
      await staged.discard();
    }
  }

  async #move(from: string, to: string): Promise<void> {
    await rename(from, to).catch(async (error: unknown) => {
      if (codeOf(error) !== 'ENOENT') await failMove(error, to);
      // Another process removed the directory because it was empty.
      await this.#directories.remake(dirname(to));
      await rename(from, to).catch((failure: unknown) => failMove(failure, to));
    });
  }
}

/**
 * A read-only mount below the data directory fails a move with EXDEV, too.
 * @param named what the message names
 * @throws HeadwaterError with the reason
 */
async function failMove(error: unknown, to: string, named = to): Promise<never> {
  if (codeOf(error) === 'EXDEV') {
    await access(dirname(to), constants.W_OK).catch((reason: unknown) => {
      throw fileError(reason, { path: named, doing: 'write' });
    });
  }
  throw fileError(error, { path: named, doing: 'write' });
}
