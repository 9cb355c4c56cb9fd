import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { HeadwaterError } from '../../../errors.ts';
import { withHead } from '../../head.ts';
import { frameKinds, readLiblzmaFrames } from './liblzma-frames.ts';

/** The options of an unpacking process. */
export interface LiblzmaOptions {
  format: 'lzma' | 'xz';
  /** The largest dictionary that it may use, in bytes. */
  dictionary: number;
}

/** Connects to a process that runs `liblzma-program.ts`. */
type Connect = (options: LiblzmaOptions) => Promise<Duplex>;

let connect: Connect | undefined;

/**
 * Sets how this thread gets unpacking processes. It must be called before the first file is unpacked. liblzma needs a process
 * of its own: it ends its process when the thread that it runs in is terminated.
 */
export function provideLiblzma(how: Connect): void {
  connect = how;
}

/** Unpacks the format of lzma(1). @throws HeadwaterError as {@link unpackWithLiblzma} */
export async function* unlzma(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { head, all } = await withHead(source, 5);
  const dictionary = head.length < 5 ? 0 : head.readUInt32LE(1);
  yield* unpackWithLiblzma(all, { format: 'lzma', dictionary });
}

/**
 * Unpacks with liblzma, in a process of its own that ends with this generator.
 * @throws HeadwaterError `invalid` where the data is truncated, corrupt, followed by other bytes or needs a larger
 *   dictionary; `unavailable` where the process ends early; what `source` throws
 * @throws Error where {@link provideLiblzma} was not called
 */
export async function* unpackWithLiblzma(
  source: AsyncIterable<Uint8Array>,
  options: LiblzmaOptions,
): AsyncGenerator<Uint8Array> {
  if (connect === undefined) throw new Error('unpackWithLiblzma was called before provideLiblzma');
  const socket = await connect(options);
  socket.on('error', () => undefined);
  const feeding = new Feeding(socket);
  void feeding.run(source);
  try {
    for await (const { kind, bytes } of readLiblzmaFrames(socket)) {
      if (kind === frameKinds.data) yield bytes;
      else if (kind === frameKinds.failure) throw new HeadwaterError('invalid', bytes.toString());
      else return;
    }
    throw new HeadwaterError('unavailable', 'the process that unpacked the file ended early: try again');
  } catch (error) {
    throw feeding.failure === undefined ? error : feeding.failure.error;
  } finally {
    socket.destroy();
  }
}

/** Writes the packed bytes to the process, no faster than it reads them. */
class Feeding {
  failure: { error: unknown } | undefined;
  readonly #socket: Duplex;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** Resolves at the end of the source, or when the socket is destroyed: then it reads no more from the source. */
  async run(source: AsyncIterable<Uint8Array>): Promise<void> {
    const socket = this.#socket;
    const closed = once(socket, 'close').catch(() => undefined);
    try {
      for await (const chunk of source) {
        if (socket.destroyed) return;
        if (!socket.write(chunk)) await Promise.race([closed, once(socket, 'drain').catch(() => undefined)]);
        if (socket.destroyed) return;
      }
      socket.end();
    } catch (error) {
      this.failure = { error };
      socket.destroy(error instanceof Error ? error : undefined);
    }
  }
}
