import type { Transform } from 'node:stream';

/**
 * Feeds a transform stream piece by piece and collects what comes out of each, so that no more is ever waiting than
 * one piece unpacks to. Both sides are plain calls: there is no pipe that could be left hanging.
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
    // The listener stays: a stream may report once more what happened to it after it was destroyed.
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

  /** Gives it a piece and waits until it has taken all it wants of it. @throws what the transform fails with */
  async write(piece: Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#transform.write(piece, () => resolve());
    });
    this.#assertWell();
  }

  /** Tells it that there is no more, and waits for its last output. @throws what the transform fails with */
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
