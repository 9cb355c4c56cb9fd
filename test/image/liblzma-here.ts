import { Duplex } from 'node:stream';
import { messageOf } from '../../src/errors.ts';
import { type LiblzmaOptions, provideLiblzma } from '../../src/image/compression/xz/liblzma.ts';
import { LiblzmaDecoder } from '../../src/image/compression/xz/liblzma-decoder.ts';
import { liblzmaFrame } from '../../src/image/compression/xz/liblzma-frames.ts';

/** Unpacks with liblzma in this process, which is not a worker thread, instead of in a process for each file. */
export function unpackWithLiblzmaHere(): void {
  provideLiblzma(async (options) =>
    Duplex.from((source: AsyncIterable<Uint8Array>) => framesOf(source, options)),
  );
}

async function* framesOf(
  source: AsyncIterable<Uint8Array>,
  options: LiblzmaOptions,
): AsyncGenerator<Uint8Array> {
  const decoder = new LiblzmaDecoder(options);
  try {
    for await (const chunk of source) {
      for (const bytes of decoder.decode(chunk)) yield liblzmaFrame('data', bytes);
    }
    for (const bytes of decoder.end()) yield liblzmaFrame('data', bytes);
    yield liblzmaFrame('end');
  } catch (error) {
    yield liblzmaFrame('failure', Buffer.from(messageOf(error)));
  }
}
