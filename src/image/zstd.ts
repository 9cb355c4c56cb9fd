import binding, { type DCtx } from 'zstd-napi/binding.js';
import { HeadwaterError, messageOf } from '../errors.ts';
import { zstdWindowLog } from './limits.ts';

/** What libzstd recommends: one block. */
const outputSize = 128 * 1024;

/**
 * Unpacks Zstandard: any number of frames one after the other, skippable ones too (RFC 8878, section 3), with their
 * checksums where they have them.
 * @throws HeadwaterError `invalid` where the data is truncated, corrupt, followed by something else, or needs a
 *   larger window than {@link zstdWindowLog} allows
 */
export async function* unzstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const context = new binding.DCtx();
  context.setParameter(binding.DParameter.windowLogMax, zstdWindowLog);
  let insideFrame = false;
  for await (const chunk of source) {
    let rest = chunk;
    while (rest.length > 0 || insideFrame) {
      const output = Buffer.allocUnsafeSlow(outputSize);
      const [wanted, produced, consumed] = decompress(context, output, rest);
      insideFrame = wanted !== 0;
      rest = rest.subarray(consumed);
      if (produced > 0) yield output.subarray(0, produced);
      // A full output may hide more that is ready; otherwise it waits for input.
      if (rest.length === 0 && produced < outputSize) break;
    }
  }
  if (insideFrame) throw new HeadwaterError('invalid', 'the zstd data is truncated');
}

function decompress(context: DCtx, output: Buffer, input: Uint8Array): [number, number, number] {
  try {
    return context.decompressStream(output, input);
  } catch (error) {
    const message = messageOf(error);
    throw new HeadwaterError(
      'invalid',
      /memory/i.test(message)
        ? `unpacking the zstd data needs a window of more than ${2 ** (zstdWindowLog - 20)} MiB: pack it without --long, or with --long=${zstdWindowLog}`
        : `the zstd data is corrupt, or something else follows it: ${message}`,
      { cause: error },
    );
  }
}
