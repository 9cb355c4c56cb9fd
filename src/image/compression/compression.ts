import { setImmediate } from 'node:timers/promises';
import type { Compression } from '../content.ts';
import { withHead } from '../head.ts';
import { bunzip2 } from './bzip2/bzip2.ts';
import { gunzip, type Noticed } from './gzip.ts';
import { unlzma, unpackWithLiblzma } from './xz/liblzma.ts';
import { unxz } from './xz/xz.ts';
import { readXzHeader, xzHeaderLength } from './xz/xz-header.ts';
import { unzstd } from './zstd.ts';

/** After this many unpacked bytes, other work of the same thread may run. */
const turnSize = 4 * 1024 * 1024;

/**
 * Unpacks a stream. The caller may keep the yielded chunks, so the source must not write to its chunks again: with
 * `none`, they are yielded themselves.
 * @param noticed filled in as the bytes pass; of gzip only
 * @throws HeadwaterError `invalid` where the data is truncated, corrupt or followed by something else; what the source
 * throws
 */
export async function* decompress(
  compression: Compression,
  source: AsyncIterable<Uint8Array>,
  noticed: Noticed = {},
): AsyncGenerator<Uint8Array> {
  let sinceTurn = 0;
  for await (const bytes of decompressors[compression](source, noticed)) {
    yield bytes;
    sinceTurn += bytes.length;
    if (sinceTurn < turnSize) continue;
    sinceTurn = 0;
    await setImmediate();
  }
}

const decompressors: Record<
  Compression,
  (source: AsyncIterable<Uint8Array>, noticed: Noticed) => AsyncIterable<Uint8Array>
> = {
  none: (source) => source,
  gzip: gunzip,
  xz: unxzAny,
  zstd: unzstd,
  bzip2: bunzip2,
  lzma: unlzma,
};

/** Unpacks xz data: in a process of its own if it has filters, a SHA-256 check or a large dictionary. */
async function* unxzAny(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { head, all } = await withHead(source, xzHeaderLength);
  const { needsLiblzma, dictionary } = readXzHeader(head);
  yield* needsLiblzma ? unpackWithLiblzma(all, { format: 'xz', dictionary }) : unxz(all);
}
