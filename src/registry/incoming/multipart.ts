import { HeadwaterError } from '../../errors.ts';
import { headerParameters, headerValue } from './header-parameters.ts';

// Reads multipart bodies (RFC 2046, section 5.1) on demand of the caller: the order of the parts has a meaning, one
// part must be processed before the next begins, and the reader of a body that breaks off must get an error. The usual
// parsers emit parts as they arrive, and guarantee none of this.

/** A part of a body. */
export interface Part {
  /** `name` of its Content-Disposition. */
  name: string;
  filename: string;
  /** Its bytes, to be read before the next part is requested; unread bytes are skipped. */
  bytes: AsyncIterable<Uint8Array>;
}

const headerLimit = 16 * 1024;
const blanksLimit = 100;

/**
 * The boundary in a Content-Type.
 * @throws HeadwaterError `invalid`
 */
export function boundaryOf(contentType: string): string {
  const boundary = headerParameters(contentType).get('boundary') ?? '';
  const isPlain = /^[^\r\n]{1,70}$/.test(boundary);
  if (isPlain && headerValue(contentType) === 'multipart/form-data') return boundary;
  throw new HeadwaterError('invalid', 'Content-Type: expected multipart/form-data with a boundary');
}

/**
 * The parts of a multipart body, in order as they arrive. Uses a few KiB of memory beside the current chunk.
 * @throws HeadwaterError `invalid` when it is malformed or ends before its last boundary; what `body` throws
 */
export async function* readParts(body: AsyncIterable<Uint8Array>, boundary: string): AsyncGenerator<Part> {
  const reader = new Reader(body);
  try {
    // The first boundary may be at the very beginning: with a line break inserted there, all boundaries look the same.
    reader.prepend(Buffer.from('\n'));
    for await (const _ of reader.until(Buffer.from(`\n--${boundary}`)));
    let lineBreak = await reader.afterBoundary();
    // Some senders end lines with LF only; the first boundary shows which (Go's mime/multipart does the same).
    const delimiter = Buffer.from(`${lineBreak}--${boundary}`);
    while (lineBreak !== undefined) {
      const headers = await reader.headers(headerLimit);
      const bytes = reader.until(delimiter);
      yield { ...disposition(headers), bytes };
      for await (const _ of bytes);
      lineBreak = await reader.afterBoundary();
    }
    await reader.rest();
  } finally {
    await reader.leave();
  }
}

function disposition(headers: string): { name: string; filename: string } {
  const lines = headers.replaceAll(/\r?\n[ \t]+/g, ' ').split(/\r?\n/);
  const line = lines.find((header) => /^content-disposition\s*:/i.test(header)) ?? '';
  const parameters = headerParameters(line);
  const name = parameters.get('name');
  if (name === undefined) throw malformed('a part has no name');
  return { name, filename: parameters.get('filename') ?? '' };
}

function malformed(what: string): HeadwaterError {
  return new HeadwaterError('invalid', `the multipart body is malformed: ${what}`);
}

/** Splits chunks at boundaries. */
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

  /** The bytes before the next `mark`, which is skipped. */
  async *until(mark: Buffer): AsyncGenerator<Uint8Array> {
    for (;;) {
      const at = this.#buffer.indexOf(mark);
      if (at >= 0) {
        const bytes = this.#buffer.subarray(0, at);
        this.#buffer = this.#buffer.subarray(at + mark.length);
        if (bytes.length > 0) yield bytes;
        return;
      }
      // The mark may begin in the bytes that are left.
      const certain = this.#buffer.length - mark.length + 1;
      if (certain > 0) {
        const bytes = this.#buffer.subarray(0, certain);
        this.#buffer = this.#buffer.subarray(certain);
        yield bytes;
      }
      await this.#more('it ends before its last boundary');
    }
  }

  /**
   * Reads the rest of a boundary's line.
   * @returns how the line ends, or undefined when the boundary was the last
   */
  async afterBoundary(): Promise<'\r\n' | '\n' | undefined> {
    for (let blanks = 0; blanks <= blanksLimit; blanks += 1) {
      const next = await this.#take(1);
      // RFC 2046, section 5.1.1: blanks that a gateway added are ignored.
      if (next === ' ' || next === '\t') continue;
      if (next === '\n') return '\n';
      const pair = next + (await this.#take(1));
      if (pair === '\r\n') return '\r\n';
      if (pair === '--' && blanks === 0) return undefined;
      break;
    }
    throw malformed('a boundary is followed by something else than a line break');
  }

  /** The lines up to the next empty line, which is skipped. */
  async headers(limit: number): Promise<string> {
    for (;;) {
      const text = this.#buffer.toString('latin1', 0, limit);
      const [blank] = /^\r?\n|\r?\n\r?\n/.exec(text) ?? [];
      if (blank !== undefined) {
        const at = text.indexOf(blank);
        const head = this.#buffer.toString('utf8', 0, at);
        this.#buffer = this.#buffer.subarray(at + blank.length);
        return head;
      }
      if (this.#buffer.length > limit) throw malformed(`the headers of a part have more than ${limit} bytes`);
      await this.#more('it ends within the headers of a part');
    }
  }

  async #take(length: number): Promise<string> {
    while (this.#buffer.length < length) await this.#more('it ends right after a boundary');
    const text = this.#buffer.toString('latin1', 0, length);
    this.#buffer = this.#buffer.subarray(length);
    return text;
  }

  /** Skips everything that is left. */
  async rest(): Promise<void> {
    while (!this.#ended) {
      this.#buffer = Buffer.alloc(0);
      this.#ended = (await this.#source.next()).done === true;
    }
  }

  /** Closes the source at any position. */
  async leave(): Promise<void> {
    await this.#source.return?.();
  }

  async #more(missing: string): Promise<void> {
    const { value, done } = await this.#source.next();
    if (done === true) throw malformed(missing);
    // The rest is shorter than a boundary or the headers of a part: joining costs one copy of the chunk.
    this.#buffer = this.#buffer.length === 0 ? toBuffer(value) : Buffer.concat([this.#buffer, value]);
  }
}

function toBuffer(chunk: Uint8Array): Buffer {
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
