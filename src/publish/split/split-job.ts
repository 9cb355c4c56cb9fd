import { Channel } from '../../async/channel.ts';
import { splitUnified } from '../../image/tar/unified.ts';
import type { FromWorker, ToWorker } from '../intake/intake-messages.ts';
import { packFailure } from '../intake/thread-error.ts';
import type { ThreadSigns } from '../intake/thread-signs.ts';

/** Splits one unified image in a thread: receives its bytes, and sends its disk piece by piece, then the rest. */
export class SplitJob {
  /** Pieces of the disk are still requested after all bytes of the image have arrived. */
  readonly staysOpen = true;
  readonly #id: number;
  readonly #reply: (message: FromWorker) => void;
  readonly #signs: ThreadSigns;
  readonly #packed = new Channel();
  #onNext: () => void = () => undefined;

  constructor(
    { job, compression }: Extract<ToWorker, { type: 'split' }>,
    options: { reply: (message: FromWorker) => void; signs: ThreadSigns },
  ) {
    this.#id = job;
    this.#reply = options.reply;
    this.#signs = options.signs;
    void splitUnified(compression, this.#packed, (bytes, size) => this.#give(bytes, size)).then(
      (archive) => this.#reply({ type: 'split', job, archive }),
      (error: unknown) => this.#reply({ type: 'failed', job, failure: packFailure(error) }),
    );
  }

  take(message: ToWorker): void {
    if (message.type === 'bytes') {
      void this.#packed.write(message.bytes).then(() => this.#reply({ type: 'room', job: this.#id }));
    } else if (message.type === 'next') this.#onNext();
    else if (message.type === 'end') this.#packed.end();
    // An abandoned job ends with its thread.
  }

  async #give(disk: AsyncIterable<Uint8Array>, size: number): Promise<void> {
    const job = this.#id;
    this.#reply({ type: 'disk', job, size });
    for await (const bytes of disk) {
      this.#signs.moveOn();
      await new Promise<void>((resolve) => {
        this.#onNext = resolve;
        // A copy, because a view would transfer all of its underlying memory.
        this.#reply({ type: 'piece', job, bytes: Uint8Array.from(bytes) });
      });
    }
    this.#reply({ type: 'disk-end', job });
  }
}
