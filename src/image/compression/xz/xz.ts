import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import xzDecompress from 'xz-decompress';
import { HeadwaterError, messageOf } from '../../../errors.ts';

/**
 * The meanings of the library's error codes (`enum xz_ret` of XZ Embedded, on which it is based). liblzma's own
 * bindings cannot be used here: they end the whole process when their worker thread is terminated.
 */
const reasons: Record<string, string> = {
  4: 'the xz data needs a dictionary of more than 64 MiB: compress it with xz -9 or less',
  5: 'the xz data is corrupt, or followed by something else',
  6: 'the xz data has a filter or a check that is not supported: compress it with xz as it is by default',
  7: 'the xz data is corrupt: it does not fit its checksums',
  8: 'the xz data is truncated',
};

/**
 * Unpacks xz: one stream, or several concatenated streams. Its memory is that of the dictionary, at most 64 MiB.
 * @throws HeadwaterError `invalid` where the data is truncated, corrupt or followed by something else; what `source`
 * throws
 */
export async function* unxz(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const failure: { error?: unknown } = {};
  const packed = Readable.from(noting(source, failure), { objectMode: true });
  const web: ReadableStream<Uint8Array> = Readable.toWeb(packed);
  const unpacked = new xzDecompress.XzReadableStream(web);
  try {
    // Its types are of browsers, whose streams cannot all be iterated.
    for await (const bytes of unpacked as unknown as AsyncIterable<Uint8Array>) yield bytes;
  } catch (error) {
    if ('error' in failure) throw failure.error;
    const code = /error code (\d+)/.exec(messageOf(error))?.[1] ?? '';
    throw new HeadwaterError('invalid', reasons[code] ?? `cannot be unpacked: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    packed.destroy();
  }
}

/** The library wraps errors of its source; this keeps the original error. */
async function* noting(
  source: AsyncIterable<Uint8Array>,
  failure: { error?: unknown },
): AsyncGenerator<Uint8Array> {
  try {
    yield* source;
  } catch (error) {
    failure.error = error;
    throw error;
  }
}
