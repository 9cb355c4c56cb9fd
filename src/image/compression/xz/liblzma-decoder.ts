import lzma from 'lzma-native';
import { HeadwaterError, messageOf } from '../../../errors.ts';
import { slices } from '../transform-driver.ts';
import type { LiblzmaOptions } from './liblzma.ts';

/** The number of bytes that liblzma gets at a time: they unpack to at most 30 MiB, all of which it keeps in memory. */
const inputSize = 4096;
const outputSize = 256 * 1024;

/** The memory of liblzma in addition to the dictionary. */
const stateSize = 2 * 1024 * 1024;

// `lzma_stream_decoder` of liblzma: a check that it does not know is an error; streams may follow each other.
const tellUnsupportedCheck = 0x02;
const concatenatedFlag = 0x08;

/** The binding of the library: its streams would not report what follows the data. */
interface Binding {
  bufferHandler: (
    output: Buffer | null | undefined,
    taken: number | undefined,
    error: Error | null | undefined,
    totalIn: number | null,
  ) => void;
  setBufsize(size: number): void;
  aloneDecoder_(memory: number): void;
  streamDecoder_(memory: number, flags: number): void;
  code(input: Uint8Array | null, asynchronous: boolean): void;
}

/** Unpacks with liblzma. Never in a worker thread: the process ends when such a thread is ended. */
export class LiblzmaDecoder {
  readonly #binding: Binding;
  #given = 0;
  #taken = 0;
  #output: Buffer[] = [];
  #error: Error | undefined;
  #ended = false;

  constructor({ format, dictionary }: LiblzmaOptions) {
    const binding = new (lzma as unknown as { Stream: new () => Binding }).Stream();
    binding.setBufsize(outputSize);
    binding.bufferHandler = (output, _, error, totalIn) => {
      if (error instanceof Error) this.#error = error;
      else if (output === null) this.#ended = true;
      else if (output !== undefined) this.#output.push(output);
      if (totalIn !== null) this.#taken = totalIn;
    };
    const memory = dictionary + stateSize;
    if (format === 'lzma') binding.aloneDecoder_(memory);
    else binding.streamDecoder_(memory, tellUnsupportedCheck | concatenatedFlag);
    this.#binding = binding;
  }

  /** @throws HeadwaterError `invalid` */
  *decode(bytes: Uint8Array): Generator<Uint8Array> {
    for (const slice of slices(bytes, inputSize)) {
      if (this.#ended) throw corrupt();
      this.#given += slice.length;
      yield* this.#code(slice);
      if (this.#ended && this.#taken < this.#given) throw corrupt();
    }
  }

  /** @throws HeadwaterError `invalid` */
  *end(): Generator<Uint8Array> {
    if (this.#ended) return;
    yield* this.#code(null);
    if (!this.#ended) throw truncated();
  }

  #code(input: Uint8Array | null): Buffer[] {
    this.#binding.code(input, false);
    if (this.#error !== undefined) throw refusal(this.#error);
    const output = this.#output;
    this.#output = [];
    return output;
  }
}

function corrupt(cause?: unknown): HeadwaterError {
  return new HeadwaterError('invalid', 'the data is corrupt, or followed by something else', { cause });
}

function truncated(cause?: unknown): HeadwaterError {
  return new HeadwaterError('invalid', 'the data is truncated', { cause });
}

function refusal(error: Error): HeadwaterError {
  switch ('name' in error ? error.name : '') {
    case 'LZMA_BUF_ERROR':
      return truncated(error);
    case 'LZMA_DATA_ERROR':
    case 'LZMA_FORMAT_ERROR':
      return corrupt(error);
    case 'LZMA_MEMLIMIT_ERROR':
      return new HeadwaterError(
        'invalid',
        'a later part of the data needs a larger dictionary than the first',
        {
          cause: error,
        },
      );
    default:
      return new HeadwaterError('invalid', `the data cannot be unpacked: ${messageOf(error)}`, {
        cause: error,
      });
  }
}
