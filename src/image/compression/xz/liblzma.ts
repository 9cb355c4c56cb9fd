import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { HeadwaterError } from '../../../errors.ts';
import { withHead } from '../../head.ts';
import { frameKinds, readLiblzmaFrames } from './liblzma-frames.ts';

/** What a process unpacks. */
export interface LiblzmaOptions {
  format: 'lzma' | 'xz';
  /** Bytes of the dictionary that it may use at most. */
  dictionary: number;
}

/** Connects with a process that runs `liblzma-program.ts`. */
type Connect = (options: LiblzmaOptions) => Promise<Duplex>;

let connect: Connect | undefined;

/** Says how a thread comes by processes that unpack: liblzma ends its process when the thread that it runs in is ended. */
export function provideLiblzma(how: Connect): void {
  connect = how;
}

/** Unpacks what lzma(1) packs. @throws HeadwaterError as {@link unpackWithLiblzma} */
export async function* unlzma(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { head, all } = await withHead(source, 5);
  const dictionary = head.length < 5 ? 0 : head.readUInt32LE(1);
  yield* unpackWithLiblzma(all, { format: 'lzma', dictionary });
}

/**
 * Unpacks with liblzma, in a process of its own that ends with this generator.
 * @throws HeadwaterError `invalid` where the data is truncated, corrupt, followed by something else or needs a larger
 *   dictionary; `unavailable` where the process ends early; what `source` throws
 */
export async function* unpackWithLiblzma(
  source: AsyncIterable<Uint8Array>,
  options: LiblzmaOptions,
): AsyncGenerator<Uint8Array> {
  if (connect === undefined) {
    throw new HeadwaterError('invalid', 'this compression is read in threads of the intake only');
  }
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

/** Gives a process what it unpacks, as fast as it takes it. */
class Feeding {
  failure: { error: unknown } | undefined;
  readonly #socket: Duplex;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** Ends also when the socket is destroyed; then it reads no more of the source than it has asked for. */
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
