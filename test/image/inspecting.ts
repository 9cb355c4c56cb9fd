import { expect } from 'vitest';
import { type Outcome, outcomeOf, resultOf } from '../../src/async/outcome.ts';
import { HeadwaterError, messageOf } from '../../src/errors.ts';
import type { Content } from '../../src/image/content.ts';
import { createInspector, inspectWhole } from '../../src/image/inspect.ts';
import { completeSquashfs } from '../../src/image/squashfs/squashfs-look.ts';
import { unpackWithLiblzmaHere } from './liblzma-here.ts';

unpackWithLiblzmaHere();

/** Bytes up to which files are looked into as a whole, too. */
const small = 256 * 1024;

/**
 * Finds out what bytes are, as they pass; those of a small file also as a whole, which must come to the same.
 * @param sizes lengths of the chunks, over and over; all in one when left out
 */
export async function inspect(bytes: Uint8Array, sizes?: number[]): Promise<Content> {
  const passing = await outcomeOf(() => inspectPassing(bytes, sizes));
  if (bytes.length <= small && sizes === undefined) {
    expect(told(await outcomeOf(() => inspectWhole(bytes)))).toEqual(told(passing));
  }
  return resultOf(passing);
}

function told(outcome: Outcome<Content>): Content | string {
  return 'error' in outcome ? messageOf(outcome.error) : outcome.result;
}

/**
 * Lets an inspector look at bytes. Every chunk comes in the same piece of memory, which is written over as soon as
 * the inspector has taken it, as its users do.
 */
async function inspectPassing(bytes: Uint8Array, sizes: number[] = [bytes.length]): Promise<Content> {
  const inspector = createInspector();
  const memory = Buffer.from(new SharedArrayBuffer(Math.max(1, ...sizes)));
  try {
    let at = 0;
    for (let index = 0; at < bytes.length; index += 1) {
      const chunk = bytes.subarray(at, at + Math.max(1, sizes[index % sizes.length] ?? 1));
      memory.set(chunk);
      await inspector.write(memory.subarray(0, chunk.length));
      memory.fill(0xee);
      at += chunk.length;
    }
    const content = await inspector.end();
    if (content.kind !== 'squashfs' || content.look === undefined) return content;
    // The rest is seen when the bytes are read again.
    return await completeSquashfs(content.look, (start, length) =>
      Promise.resolve(Buffer.from(bytes.subarray(start, start + length))),
    );
  } catch (error) {
    inspector.abort();
    throw error;
  }
}

/** The message with which bytes are refused as invalid; any other outcome fails. */
export async function refusal(bytes: Uint8Array, sizes?: number[]): Promise<string> {
  const content = await inspect(bytes, sizes).catch((error: unknown) => {
    if (error instanceof HeadwaterError && error.kind === 'invalid') return error;
    throw error;
  });
  if (content instanceof HeadwaterError) return content.message;
  throw new Error(`was taken for ${JSON.stringify(content)}`);
}
