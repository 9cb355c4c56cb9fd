/** A volume ended before all its bytes had come. */
export class EndOfVolume extends Error {}

/** Reads an archive from its beginning, a header or a content at a time. Holds one chunk of the source. */
export class BlockReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #onBytes: (bytes: Uint8Array) => void;
  #left: Uint8Array = new Uint8Array();
  /** Bytes that were read. */
  position = 0;

  /** @param onBytes given all bytes as they are read, in their order */
  constructor(source: AsyncIterable<Uint8Array>, onBytes: (bytes: Uint8Array) => void = () => undefined) {
    this.#chunks = source[Symbol.asyncIterator]();
    this.#onBytes = onBytes;
  }

  /** Exactly so many bytes: for headers and small contents. @throws EndOfVolume */
  async take(size: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    // A chunk may be written again once the next one was asked for.
    for await (const part of this.pass(size)) parts.push(Uint8Array.from(part));
    return Buffer.concat(parts);
  }

  /** The next bytes, as they come. A chunk is valid until the next one is asked for. @throws EndOfVolume */
  async *pass(size: number): AsyncGenerator<Uint8Array> {
    for (let missing = size; missing > 0; ) {
      const part = await this.#next(missing);
      if (part === undefined) throw new EndOfVolume(`ends after ${this.position} bytes`);
      missing -= part.length;
      yield part;
    }
  }

  /** Reads to the end. @returns how many bytes there were */
  async drain(): Promise<number> {
    const before = this.position;
    while ((await this.#next(Number.POSITIVE_INFINITY)) !== undefined);
    return this.position - before;
  }

  /** Gives the source back before its end. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #next(most: number): Promise<Uint8Array | undefined> {
    while (this.#left.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done === true) return undefined;
      this.#left = value;
    }
    const part = this.#left.subarray(0, Math.min(most, this.#left.length));
    this.#left = this.#left.subarray(part.length);
    this.position += part.length;
    this.#onBytes(part);
    return part;
  }
}
