import { HeadwaterError } from '../../errors.ts';
import { memoryHeadLength } from '../../image/compression/memory-needed.ts';
import { parseDigest } from '../../model/digest.ts';
import type { Findings } from './examination.ts';
import type { ExaminedFile } from './intake-types.ts';

/** Reads bytes and returns their content. */
export interface Sink {
  put(chunk: Uint8Array): Promise<void>;
  end(): Promise<Findings[]>;
  abort(): Promise<void>;
}

/**
 * Passes the bytes of a source on, after a sink has read them.
 * @param open makes the sink, when enough of the first bytes have come to tell what they are, or all
 */
export async function* passOn(
  source: AsyncIterable<Uint8Array>,
  open: (head: Uint8Array, isWhole: boolean) => Promise<Sink>,
  resolve: (examined: ExaminedFile) => void,
  reject: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  let sink: Sink | undefined;
  let ended = false;
  let failure: unknown;
  try {
    let head: Uint8Array[] = [];
    let headSize = 0;
    for await (const chunk of source) {
      size += chunk.length;
      if (sink === undefined) {
        head.push(chunk);
        headSize += chunk.length;
        if (headSize < memoryHeadLength) continue;
        const [first = chunk, ...others] = head;
        const beginning = others.length === 0 ? first : Buffer.concat(head);
        sink = await open(beginning.subarray(0, memoryHeadLength), false);
        head = [];
        await sink.put(beginning);
        yield beginning;
        continue;
      }
      await sink.put(chunk);
      yield chunk;
    }
    if (sink === undefined) {
      const all = Buffer.concat(head);
      sink = await open(all, true);
      if (all.length > 0) {
        await sink.put(all);
        yield all;
      }
    }
    const found = await sink.end();
    ended = true;
    resolve(toExaminedFile(found, size));
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    if (!ended) await sink?.abort();
    if (!ended)
      reject(failure ?? new HeadwaterError('aborted', 'the receiver left before the end of the file'));
  }
}

export function toExaminedFile(found: Findings[], size: number): ExaminedFile {
  const all: Findings = Object.assign({}, ...found);
  const { digest, content, fingerprint } = all;
  if (digest === undefined || content === undefined) throw new Error('an examination found nothing');
  return {
    digest: parseDigest(digest),
    size,
    content,
    ...(fingerprint === undefined ? {} : { fingerprint: parseDigest(fingerprint) }),
  };
}
