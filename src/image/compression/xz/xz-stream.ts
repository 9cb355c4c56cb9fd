import { once } from 'node:events';
import lzma from 'lzma-native';

/**
 * Packs a stream as one xz stream, with the preset 6 of xz(1), which needs 94 MiB of memory. Only for a process of its own:
 * it computes on the main thread.
 */
export async function* packXz(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const packer = lzma.createCompressor({ preset: 6 });
  const feeding = feed(source, packer);
  // The reader of the output gets the failure, too.
  feeding.catch((error: unknown) =>
    packer.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  for await (const bytes of packer as AsyncIterable<Uint8Array>) yield bytes;
  await feeding;
}

async function feed(source: AsyncIterable<Uint8Array>, packer: lzma.JSLzmaStream): Promise<void> {
  for await (const bytes of source) {
    if (!packer.write(bytes)) await once(packer, 'drain');
  }
  packer.end();
}
