import { once } from 'node:events';
import { setPriority } from 'node:os';
import { messageOf } from '../../errors.ts';
import { decompress } from '../../image/compression/compression.ts';
import { packXz } from '../../image/compression/xz/xz-stream.ts';
import { compressionSuffixes } from '../../image/content.ts';
import { keysOf } from '../../model/keys-of.ts';

// A process of its own that packs a tarball again: it reads it from standard input, and writes it with xz to standard output.

const [given] = process.argv.slice(2);
const compression = keysOf(compressionSuffixes).find((name) => name === given);

async function repack(): Promise<void> {
  if (compression === undefined) throw new Error(`unknown compression ${given}`);
  for await (const bytes of packXz(decompress(compression, process.stdin))) {
    if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
  }
}

// Packing takes minutes: requests come first.
setPriority(19);
repack().catch((error: unknown) => {
  process.stderr.write(messageOf(error));
  process.exitCode = 1;
});
