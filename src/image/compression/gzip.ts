import { createGunzip, gunzipSync, type ZlibOptions } from 'node:zlib';
import { codeOf, HeadwaterError, messageOf } from '../../errors.ts';
import { slices, TransformDriver } from './transform-driver.ts';

/** Bytes given to zlib at a time. They unpack to 33 MiB at most (deflate's limit is 1:1032). */
const inputSize = 32 * 1024;
const outputSize = 128 * 1024;

/** Bytes that a small file may unpack to at once. */
const maxUnpackedAtOnce = 256 * 1024;

/**
 * Unpacks a whole gzip file at once if it is small: a stream takes many times as long to set up.
 * @returns undefined if a stream is needed to unpack it, or to describe its fault
 */
export function gunzipSmall(packed: Uint8Array): Uint8Array | undefined {
  try {
    // The types lack that with `info`, the result contains the number of bytes read.
    const options: ZlibOptions = { maxOutputLength: maxUnpackedAtOnce, info: true };
    const { buffer, engine } = gunzipSync(packed, options) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    return engine.bytesWritten === packed.length ? buffer : undefined;
  } catch {
    return undefined;
  }
}

/** What is noticed about compressed data while it is unpacked. */
export interface Noticed {
  /** Zeros follow the compressed data. */
  padding?: boolean;
}

/**
 * Unpacks gzip: one member, or several concatenated members (RFC 1952, section 2.2), each with its checksum. Zeros after
 * the last one are padding, as for gzip(1).
 * @param noticed filled in as the bytes pass
 * @throws HeadwaterError `invalid` where the data is truncated, corrupt or followed by something else
 */
export async function* gunzip(
  source: AsyncIterable<Uint8Array>,
  noticed: Noticed = {},
): AsyncGenerator<Uint8Array> {
  const transform = createGunzip({ chunkSize: outputSize });
  const driver = new TransformDriver(transform);
  let given = 0;
  let padding = false;
  try {
    for await (const chunk of source) {
      for (const slice of slices(chunk, inputSize)) {
        let rest = slice;
        if (!padding) {
          await driver.write(slice).catch(refuse);
          yield* driver.take();
          given += slice.length;
          // zlib does not read bytes that do not begin a member.
          padding = transform.bytesWritten < given;
          rest = slice.subarray(slice.length - (given - transform.bytesWritten));
        }
        if (padding) noticed.padding = true;
        if (padding && rest.some((byte) => byte !== 0)) {
          throw new HeadwaterError('invalid', 'the gzip data is corrupt: something else follows it');
        }
      }
    }
    await driver.end().catch(refuse);
    yield* driver.take();
  } finally {
    driver.destroy();
  }
}

function refuse(error: unknown): never {
  const truncated = codeOf(error) === 'Z_BUF_ERROR';
  throw new HeadwaterError(
    'invalid',
    truncated ? 'the gzip data is truncated' : `the gzip data is corrupt: ${messageOf(error)}`,
    { cause: error },
  );
}
