import type { Transform } from 'node:stream';

/**
 * Feeds a transform stream piece by piece and collects the output of each piece, so that no more than one unpacked
 * piece ever waits. Both sides are plain calls: no pipe can be left open.
 */
export class TransformDriver {
  readonly #transform: Transform;
  #output: Uint8Array[] = [];
  #failure: unknown;
  #failed = false;
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(transform: Transform) {
    this.#transform = transform;
    // The listener stays: a stream may report another error after it was destroyed.
    transform.on('error', (error) => {
      this.#failure = error;
      this.#failed = true;
      this.#wake();
    });
    transform.on('end', () => {
      this.#ended = true;
      this.#wake();
    });
    transform.on('data', (bytes: Uint8Array) => this.#output.push(bytes));
  }

  /** Writes a piece and waits until the transform has read it. @throws the error of the transform */
  async write(piece: Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#transform.write(piece, () => resolve());
    });
    this.#assertWell();
  }

  /** Ends the input, and waits for the last output. @throws the error of the transform */
  async end(): Promise<void> {
    if (!this.#ended && !this.#failed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#transform.end();
      });
    }
    this.#assertWell();
  }

  /** The output since the last call. */
  take(): Uint8Array[] {
    const output = this.#output;
    this.#output = [];
    return output;
  }

  destroy(): void {
    this.#transform.destroy();
  }

  #assertWell(): void {
    if (this.#failed) throw this.#failure;
  }
}

/** The bytes in pieces of at most `size`. */
export function* slices(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}
