import { Channel } from '../../async/channel.ts';
import type { Compression } from '../../image/content.ts';
import type { TakeDisk } from '../../image/tar/unified.ts';
import type { FromWorker } from '../intake/intake-messages.ts';
import type { Job } from '../intake/intake-thread.ts';
import type { IntakeThreads } from '../intake/intake-threads.ts';
import { unpackFailure } from '../intake/thread-error.ts';

/** The number of pieces of the image that may be on their way to the thread. */
const maxChunksAhead = 4;

/**
 * `splitUnified` in a thread of its own.
 * @param options.onUnpacked called when the thread has finished; the receiver of the disk may still be working
 * @throws HeadwaterError errors of `splitUnified`, `source` and `takeDisk`, and failures of the thread
 */
export async function splitInThread(
  threads: IntakeThreads,
  image: { compression: Compression; source: AsyncIterable<Uint8Array> },
  takeDisk: TakeDisk,
  options: { onUnpacked: () => void },
): Promise<Uint8Array> {
  const splitting = new Splitting(threads, image.compression, takeDisk);
  try {
    return await splitting.run(image.source, options.onUnpacked);
  } finally {
    splitting.close();
  }
}

/** The part in the main thread. */
class Splitting {
  readonly #job: Job;
  readonly #takeDisk: TakeDisk;
  readonly #disk = new Channel();
  readonly #archive: Promise<Uint8Array>;
  #taken: Promise<void> = Promise.resolve();
  #room = maxChunksAhead;
  #onRoom: () => void = () => undefined;
  #isDone = false;
  #reject: (error: unknown) => void = () => undefined;

  constructor(threads: IntakeThreads, compression: Compression, takeDisk: TakeDisk) {
    this.#takeDisk = takeDisk;
    let job: Job | undefined;
    this.#archive = new Promise((resolve, reject) => {
      this.#reject = (error) => {
        this.#isDone = true;
        this.#disk.fail(error);
        reject(error);
        this.#onRoom();
      };
      job = threads.beginOwn({ type: 'split', compression }, (message) => this.#hear(message, resolve), {
        keep: false,
      });
    });
    this.#archive.catch(() => undefined);
    if (job === undefined) throw new Error('the thread has no job');
    this.#job = job;
  }

  async run(source: AsyncIterable<Uint8Array>, onUnpacked: () => void): Promise<Uint8Array> {
    try {
      try {
        await this.#feed(source);
      } catch (error) {
        this.#reject(error);
      }
      const archive = await this.#archive;
      onUnpacked();
      await this.#taken;
      return archive;
    } catch (error) {
      // The receiver of the disk is notified, and finishes before the caller continues.
      await this.#taken.catch(() => undefined);
      throw error;
    }
  }

  close(): void {
    this.#job.close(false);
  }

  async #feed(source: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of source) {
      while (this.#room === 0 && !this.#isDone) {
        await new Promise<void>((resolve) => {
          this.#onRoom = resolve;
        });
      }
      if (this.#isDone) return;
      this.#room -= 1;
      // A copy, because the source reuses its chunks.
      this.#job.send({ type: 'bytes', bytes: Uint8Array.from(chunk) });
    }
    this.#job.send({ type: 'end' });
  }

  #hear(message: FromWorker | Error, resolve: (archive: Uint8Array) => void): void {
    if (message instanceof Error) this.#reject(message);
    else if (message.type === 'failed') this.#reject(unpackFailure(message.failure));
    else if (message.type === 'room') {
      this.#room += 1;
      this.#onRoom();
    } else if (message.type === 'disk') this.#begin(message.size);
    else if (message.type === 'piece') void this.#give(message.bytes);
    else if (message.type === 'disk-end') this.#disk.end();
    else if (message.type === 'split') {
      this.#isDone = true;
      this.#onRoom();
      resolve(message.archive);
    }
  }

  #begin(size: number): void {
    this.#taken = this.#takeDisk(this.#disk, size).finally(() => this.#disk.cancel());
    this.#taken.catch((error: unknown) => this.#reject(error));
  }

  async #give(bytes: Uint8Array): Promise<void> {
    await this.#disk.write(bytes);
    this.#job.send({ type: 'next' });
  }
}
