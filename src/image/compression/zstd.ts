import binding, { type DCtx } from 'zstd-napi/binding.js';
import { HeadwaterError, messageOf } from '../../errors.ts';
import { zstdWindowLog } from '../limits.ts';
import { zstdWindow } from './memory-needed.ts';

/** What libzstd recommends: one block. */
const outputSize = 128 * 1024;

/**
 * Bytes that every frame may refer back. Those of a larger window must all say so in the first frame, by which the memory
 * is planned (`memory-needed.ts`).
 */
const defaultWindowLog = 23;

/** Reused for the next stream: V8 does not count its memory, so it would not collect decoders in time. */
let spare: DCtx | undefined;

/**
 * Unpacks Zstandard: one frame, or several concatenated frames, also skippable ones (RFC 8878, section 3). Checks their
 * checksums if they have them.
 * @throws HeadwaterError `invalid` where the data is truncated, corrupt, followed by something else, or needs a
 *   larger window than {@link zstdWindowLog} allows, or than the first frame and {@link defaultWindowLog} do
 */
export async function* unzstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const context = spare ?? new binding.DCtx();
  spare = undefined;
  try {
    yield* unpackFrames(context, source);
  } finally {
    context.reset(binding.ResetDirective.sessionAndParameters);
    spare = context;
  }
}

async function* unpackFrames(context: DCtx, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let windowLog: number | undefined;
  let insideFrame = false;
  let output = Buffer.alloc(0);
  for await (const chunk of source) {
    if (windowLog === undefined) {
      windowLog = Math.max(defaultWindowLog, Math.ceil(Math.log2(zstdWindow(chunk))));
      context.setParameter(binding.DParameter.windowLogMax, windowLog);
    }
    let rest = chunk;
    while (rest.length > 0 || insideFrame) {
      // Fresh memory, but not for each of many empty frames.
      if (output.length === 0) output = Buffer.allocUnsafeSlow(outputSize);
      const [wanted, produced, consumed] = decompress(context, { output, input: rest, windowLog });
      insideFrame = wanted !== 0;
      rest = rest.subarray(consumed);
      if (produced > 0) {
        yield output.subarray(0, produced);
        output = Buffer.alloc(0);
      }
      // A full output may hide more that is ready; otherwise it waits for input.
      if (rest.length === 0 && produced < outputSize) break;
      if (consumed === 0 && produced === 0) throw corrupt('it does not go on');
    }
  }
  if (insideFrame) throw new HeadwaterError('invalid', 'the zstd data is truncated');
}

function decompress(
  context: DCtx,
  { output, input, windowLog }: { output: Uint8Array; input: Uint8Array; windowLog: number },
): [number, number, number] {
  try {
    return context.decompressStream(output, input);
  } catch (error) {
    const message = messageOf(error);
    if (!/memory/i.test(message)) throw corrupt(message, error);
    throw new HeadwaterError(
      'invalid',
      windowLog < zstdWindowLog
        ? `the zstd data needs a window of more than ${2 ** (windowLog - 20)} MiB, but its first frame needs no more: pack it as one frame`
        : `unpacking the zstd data needs a window of more than ${2 ** (zstdWindowLog - 20)} MiB: pack it without --long, or with --long=${zstdWindowLog}`,
      { cause: error },
    );
  }
}

function corrupt(what: string, cause?: unknown): HeadwaterError {
  return new HeadwaterError('invalid', `the zstd data is corrupt, or something else follows it: ${what}`, {
    cause,
  });
}
