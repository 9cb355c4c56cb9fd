import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../../files/file-error.ts';
import { isAbandoned, processName } from '../../files/process-name.ts';
import { Spool } from '../../files/spool.ts';
import type { ExaminationRequest, Findings } from './examination.ts';
import type { IntakeThreads } from './intake-threads.ts';
import type { WriteDown } from './tee-file.ts';
import { unpackFailure } from './thread-error.ts';

/** Where the bytes of a file are that is examined once all of them have come. */
type Lies =
  /** The source writes them there as they pass. */
  | { path: string }
  /** The examination writes them there. */
  | { into: WriteDown }
  /** In a directory for temporary files. */
  | { directory: string };

/**
 * Bytes that wait on the local disk until there is a place to examine them: it costs a file, and no memory however many of
 * them wait.
 */
export class SpooledExamination {
  readonly #lies: Lies;
  #path: string | undefined;
  #spool: Spool | undefined;
  /** Bytes that passed and are in the file already. */
  #skip = 0;

  constructor(lies: Lies) {
    this.#lies = lies;
    if ('into' in lies) this.#skip = lies.into.from;
  }

  /** @throws HeadwaterError what the disk failed with */
  async put(chunk: Uint8Array): Promise<void> {
    if ('path' in this.#lies) return;
    this.#spool ??= await this.#open();
    const spool = this.#spool;
    const skip = Math.min(this.#skip, chunk.length);
    this.#skip -= skip;
    if (skip < chunk.length) await spool.write(chunk.subarray(skip));
  }

  /** All bytes have come. @throws HeadwaterError what the disk failed with */
  async close(): Promise<void> {
    const spool = this.#spool;
    this.#spool = undefined;
    await spool?.close();
  }

  /** Examines the file, whose bytes have all come. @throws what the examination failed with */
  async examine(
    threads: IntakeThreads,
    request: ExaminationRequest,
    options: { keep: boolean },
  ): Promise<Findings> {
    const path = this.#path ?? (await this.#place()).path;
    return await new Promise<Findings>((resolve, reject) => {
      const job = threads.beginOwn(
        { type: 'file', request, path },
        (message) => {
          if (message instanceof Error) reject(message);
          else if (message.type === 'found') resolve(message.found);
          else if (message.type === 'failed') reject(unpackFailure(message.failure));
          else return;
          job.close(!(message instanceof Error) && message.type === 'found');
        },
        options,
      );
    });
  }

  /** Must always be called. */
  async discard(): Promise<void> {
    await this.close().catch(() => undefined);
    if ('directory' in this.#lies && this.#path !== undefined) await rm(this.#path, { force: true });
  }

  async #open(): Promise<Spool> {
    const { path, from } = await this.#place();
    this.#path = path;
    return await Spool.open(path, from);
  }

  async #place(): Promise<WriteDown> {
    if ('into' in this.#lies) return this.#lies.into;
    if ('path' in this.#lies) return { path: this.#lies.path, from: 0 };
    const { directory } = this.#lies;
    await cleaned(directory).catch((error: unknown) => {
      throw fileError(error, { path: directory, doing: 'write' });
    });
    return { path: join(directory, await processName()), from: 0 };
  }
}

const cleanedBefore = new Map<string, Promise<void>>();

/** Makes a directory, and removes once what processes left there that were killed. */
async function cleaned(directory: string): Promise<void> {
  const before = cleanedBefore.get(directory);
  const cleaning = before ?? clean(directory);
  cleanedBefore.set(directory, cleaning);
  await cleaning.catch((error: unknown) => {
    cleanedBefore.delete(directory);
    throw error;
  });
}

async function clean(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const modified = await stat(path).then(
      ({ mtime }) => mtime,
      () => undefined,
    );
    if (modified !== undefined && (await isAbandoned(name, modified))) await rm(path, { force: true });
  }
}
