import { HeadwaterError } from '../../errors.ts';

// Multipart bodies (RFC 2046, section 5.1), pulled rather than pushed: the order of the parts has a meaning, one part
// must be taken in before the next begins, and a body that breaks off must fail whoever reads it. The usual parsers
// emit parts as they come and make each of these a guess.

/** A part of a body. */
export interface Part {
  /** `name` of its Content-Disposition. */
  name: string;
  filename: string;
  /** Its bytes, to be read before the next part is asked for; what is left is passed over. */
  bytes: AsyncIterable<Uint8Array>;
}

const headerLimit = 16 * 1024;
const blankLine = Buffer.from('\r\n\r\n');

/**
 * The boundary that a Content-Type names.
 * @throws HeadwaterError `invalid`
 */
export function boundaryOf(contentType: string): string {
  const match = /;\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s";,]{1,70})(?=$|[\s";,]))/i.exec(contentType);
  const boundary = match?.[1] ?? match?.[2];
  if (boundary !== undefined && /^multipart\/form-data\s*;/i.test(contentType)) return boundary;
  throw new HeadwaterError('invalid', 'Content-Type: expected multipart/form-data with a boundary');
}

/**
 * The parts of a multipart body, one after the other as they arrive. Holds some KiB beside the chunk at hand.
 * @throws HeadwaterError `invalid` when it is malformed or ends before its last boundary; what `body` throws
 */
export async function* readParts(body: AsyncIterable<Uint8Array>, boundary: string): AsyncGenerator<Part> {
  const reader = new Reader(body);
  try {
    // The first boundary may stand at the very beginning: with the line break put there, all look alike.
    reader.prepend(Buffer.from('\r\n'));
    const delimiter = Buffer.from(`\r\n--${boundary}`);
    for await (const _ of reader.until(delimiter));
    while (!(await atEnd(reader))) {
      const headers = await reader.text(blankLine, headerLimit);
      const bytes = reader.until(delimiter);
      yield { ...disposition(headers), bytes };
      for await (const _ of bytes);
    }
    await reader.rest();
  } finally {
    await reader.leave();
  }
}

/** Reads what follows a boundary. @returns whether it was the last */
async function atEnd(reader: Reader): Promise<boolean> {
  const next = (await reader.take(2)).toString('latin1');
  if (next === '--') return true;
  // Blanks may follow a boundary. Clients of images send none, and a line break in two halves would look like it.
  if (next === '\r\n') return false;
  throw malformed('a boundary is followed by something else than a line break');
}

function disposition(headers: string): { name: string; filename: string } {
  const line = headers.split('\r\n').find((header) => /^content-disposition\s*:/i.test(header)) ?? '';
  const parameter = (key: string) =>
    new RegExp(`;\\s*${key}="((?:[^"\\\\]|\\\\.)*)"`, 'i').exec(line)?.[1]?.replaceAll(/\\(.)/g, '$1');
  const name = parameter('name');
  if (name === undefined) throw malformed('a part has no name');
  return { name, filename: parameter('filename') ?? '' };
}

function malformed(what: string): HeadwaterError {
  return new HeadwaterError('invalid', `the multipart body is malformed: ${what}`);
}

/** Takes chunks apart at boundaries. */
class Reader {
  readonly #source: AsyncIterator<Uint8Array>;
  #buffer: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  prepend(bytes: Buffer): void {
    this.#buffer = Buffer.concat([bytes, this.#buffer]);
  }

  /** The bytes before the next `mark`, which is passed over. */
  async *until(mark: Buffer): AsyncGenerator<Uint8Array> {
    for (;;) {
      const at = this.#buffer.indexOf(mark);
      if (at >= 0) {
        const found = this.#buffer.subarray(0, at);
        this.#buffer = this.#buffer.subarray(at + mark.length);
        if (found.length > 0) yield found;
        return;
      }
      // The mark may have begun in what is left.
      const certain = this.#buffer.length - mark.length + 1;
      if (certain > 0) {
        const found = this.#buffer.subarray(0, certain);
        this.#buffer = this.#buffer.subarray(certain);
        yield found;
      }
      await this.#more('it ends before its last boundary');
    }
  }

  /** The text before the next `mark`, which is passed over. */
  async text(mark: Buffer, limit: number): Promise<string> {
    for (;;) {
      const at = this.#buffer.indexOf(mark);
      if (at >= 0 && at <= limit) {
        const found = this.#buffer.toString('utf8', 0, at);
        this.#buffer = this.#buffer.subarray(at + mark.length);
        return found;
      }
      if (this.#buffer.length > limit) throw malformed(`the headers of a part have more than ${limit} bytes`);
      await this.#more('it ends within the headers of a part');
    }
  }

  async take(length: number): Promise<Buffer> {
    while (this.#buffer.length < length) await this.#more('it ends right after a boundary');
    const found = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return found;
  }

  /** Passes over everything that is left. */
  async rest(): Promise<void> {
    while (!this.#ended) {
      this.#buffer = Buffer.alloc(0);
      this.#ended = (await this.#source.next()).done === true;
    }
  }

  /** Lets go of the source, wherever it is. */
  async leave(): Promise<void> {
    await this.#source.return?.();
  }

  async #more(missing: string): Promise<void> {
    const { value, done } = await this.#source.next();
    if (done === true) throw malformed(missing);
    // What is left here is shorter than a boundary, or than a part's headers: joining costs one copy of the chunk.
    this.#buffer = this.#buffer.length === 0 ? toBuffer(value) : Buffer.concat([this.#buffer, value]);
  }
}

function toBuffer(chunk: Uint8Array): Buffer {
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
