import { once } from 'node:events';
import { setPriority } from 'node:os';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { messageOf } from '../../errors.ts';
import { decompress } from '../../image/compression/compression.ts';
import { packXz } from '../../image/compression/xz/xz-stream.ts';
import { compressionSuffixes } from '../../image/content.ts';
import { keysOf } from '../../model/keys-of.ts';

// A process of its own that packs a tarball again: it reads it from standard input, and writes it with xz or gzip to standard
// output.

const [given, target] = process.argv.slice(2);
const compression = keysOf(compressionSuffixes).find((name) => name === given);

async function repack(): Promise<void> {
  if (compression === undefined) throw new Error(`unknown compression ${given}`);
  const tarball = decompress(compression, process.stdin);
  for await (const bytes of target === 'gzip' ? packGzip(tarball) : packXz(tarball)) {
    if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
  }
}

/** zlib computes in a thread of its own, beside the decompressor. */
async function* packGzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const packer = createGzip({ chunkSize: 128 * 1024 });
  const feeding = pipeline(source, packer);
  // The reader of the output gets the failure, too.
  feeding.catch(() => undefined);
  for await (const bytes of packer as AsyncIterable<Uint8Array>) yield bytes;
  await feeding;
}

// Packing takes minutes: requests come first.
setPriority(19);
repack().catch((error: unknown) => {
  process.stderr.write(messageOf(error));
  process.exitCode = 1;
});
