import { createHash, randomBytes } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { HashThread } from '../../../src/bundle/hashing/hash-thread.ts';

const mebibyte = 1024 * 1024;

function start(program?: URL): HashThread {
  const thread = program === undefined ? new HashThread() : new HashThread(program);
  onTestFinished(() => thread.close());
  return thread;
}

async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function passed(thread: HashThread, source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const block of thread.pass(source)) parts.push(Buffer.from(block));
  return Buffer.concat(parts);
}

test('the same bytes pass, and their SHA-256 is known afterwards, of one source after another', async () => {
  const thread = start();
  for (const [length, size] of [
    [0, 1],
    [1, 1],
    [mebibyte, mebibyte],
    [20 * mebibyte + 5, 700_001],
    [3 * mebibyte, 5 * mebibyte],
  ] as const) {
    const bytes = randomBytes(length);
    expect((await passed(thread, inChunks(bytes, size))).equals(bytes)).toBe(true);
    expect(await thread.digest()).toBe(createHash('sha256').update(bytes).digest('hex'));
  }
});

test('a source that is left before its end does not spoil the next one', async () => {
  const thread = start();
  const bytes = randomBytes(9 * mebibyte);
  for await (const _ of thread.pass(inChunks(bytes, 100_000))) break;
  expect((await passed(thread, inChunks(bytes, 100_000))).equals(bytes)).toBe(true);
  expect(await thread.digest()).toBe(createHash('sha256').update(bytes).digest('hex'));
});

test('a thread that ends is an error, not a wait', async () => {
  const thread = start(new URL('data:text/javascript,throw new Error("broken")'));
  await expect(passed(thread, inChunks(randomBytes(20 * mebibyte), mebibyte))).rejects.toThrow('broken');
  await expect(thread.digest()).rejects.toThrow('broken');
});
