import { HeadwaterError } from '../../errors.ts';

/** Bytes that arrive in pieces, for a decoder that is a generator: it yields null whenever it must wait for more. */
export class ByteQueue {
  protected bytes: Uint8Array = new Uint8Array(0);
  protected position = 0;
  readonly #format: string;
  #closed = false;

  /** @param format the format of the bytes, for messages */
  constructor(format: string) {
    this.#format = format;
  }

  /** Bytes that have arrived and were not read. */
  get left(): number {
    return this.bytes.length - this.position;
  }

  append(bytes: Uint8Array): void {
    const joined = new Uint8Array(this.left + bytes.length);
    joined.set(this.bytes.subarray(this.position));
    joined.set(bytes, this.left);
    this.bytes = joined;
    this.position = 0;
  }

  /** No more bytes will come: reading past the end now fails. */
  close(): void {
    this.#closed = true;
  }

  /** Yields null until `count` bytes have arrived, or no more will arrive. */
  *wait(count: number): Generator<null> {
    while (this.left < count && !this.#closed) yield null;
  }

  /**
   * The next `count` bytes. They stay as they are.
   * @throws HeadwaterError `invalid` past the end
   */
  take(count: number): Uint8Array {
    if (this.left < count) throw this.truncated();
    this.position += count;
    return this.bytes.subarray(this.position - count, this.position);
  }

  protected truncated(): HeadwaterError {
    return new HeadwaterError('invalid', `the ${this.#format} data is truncated`);
  }
}

/**
 * Unpacks the bytes of a queue.
 * @param steps the decoder that reads from it: yields pieces of output, and null whenever it needs more bytes
 */
export async function* unpack(
  source: AsyncIterable<Uint8Array>,
  queue: ByteQueue,
  steps: Generator<Uint8Array | null>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    queue.append(chunk);
    yield* available(steps);
  }
  queue.close();
  yield* available(steps);
}

/** Unpacks as much as possible of the bytes that have arrived. */
function* available(steps: Generator<Uint8Array | null>): Generator<Uint8Array> {
  for (;;) {
    const { value, done } = steps.next();
    if (done === true || value === null) return;
    yield value;
  }
}
