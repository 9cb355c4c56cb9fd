import { HeadwaterError } from '../errors.ts';

/** The bytes that a store is to write, readable once: passes them on and counts them. */
export class Incoming implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #size: number | undefined;
  #started = false;

  /** @param size the expected number, if known */
  constructor(source: AsyncIterable<Uint8Array>, size: number | undefined) {
    this.#source = source;
    this.#size = size;
  }

  /** @throws HeadwaterError `invalid` as soon as there are too many bytes, or at the end when there were too few */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    this.#started = true;
    let passed = 0;
    for await (const chunk of this.#source) {
      passed += chunk.length;
      if (this.#size !== undefined && passed > this.#size) throw wrongSize(this.#size, 'more');
      yield chunk;
    }
    if (this.#size !== undefined && passed < this.#size) throw wrongSize(this.#size, `only ${passed}`);
  }

  /** Closes the source, so that it frees its resources; must always be called. */
  leave(): void {
    if (this.#started) return;
    this.#started = true;
    // A generator that was never started would not run its clean-up, so it is started and closed at once. Nothing uses
    // its bytes: neither its failure nor the time it takes matter.
    stop(this.#source).catch(() => undefined);
  }
}

async function stop(source: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of source) break;
}

function wrongSize(size: number, came: string): HeadwaterError {
  return new HeadwaterError(
    'invalid',
    `${size} bytes were announced, but ${came} arrived: send exactly as many as announced`,
  );
}
