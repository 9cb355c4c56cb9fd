import { once } from 'node:events';
import { createReadStream, statSync } from 'node:fs';
import { setPriority } from 'node:os';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { messageOf } from '../../errors.ts';
import { decompress } from '../../image/compression/compression.ts';
import { compressionMagicLength, detectCompression } from '../../image/compression/detect-compression.ts';
import { packXz } from '../../image/compression/xz/xz-stream.ts';
import { compressionSuffixes } from '../../image/content.ts';
import { withHead } from '../../image/head.ts';
import { unpackedFloor, unpackedRatioLimit } from '../../image/limits.ts';
import { flatten, type OpenLayer } from '../../image/tar/flatten.ts';
import { keysOf } from '../../model/keys-of.ts';

// A process of its own that packs a tarball again: it reads it from standard input, or the layers of an image from files, and
// writes it with xz or gzip to standard output.

const [given, target, ...paths] = process.argv.slice(2);

async function repack(): Promise<void> {
  const tarball = given === 'layers' ? flatten(paths.map(layer)) : unpacked(process.stdin);
  for await (const bytes of target === 'gzip' ? packGzip(tarball) : packXz(tarball)) {
    if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
  }
}

function unpacked(packed: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const compression = keysOf(compressionSuffixes).find((name) => name === given);
  if (compression === undefined) throw new Error(`unknown compression ${given}`);
  return decompress(compression, packed);
}

function layer(path: string): OpenLayer {
  return async function* () {
    const { head, all } = await withHead(createReadStream(path), compressionMagicLength);
    const size = statSync(path).size;
    let left = unpackedFloor + size * unpackedRatioLimit;
    for await (const bytes of decompress(detectCompression(head), all)) {
      left -= bytes.length;
      if (left < 0)
        throw new Error('a layer unpacks to far more than its size, as only a decompression bomb does');
      yield bytes;
    }
  };
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
