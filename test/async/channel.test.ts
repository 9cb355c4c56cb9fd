import { expect, test } from 'vitest';
import { Channel } from '../../src/async/channel.ts';

const bytes = (text: string) => Buffer.from(text);

test('a write ends when the reader asks for more', async () => {
  const channel = new Channel();
  const events: string[] = [];
  const writing = (async () => {
    for (const text of ['a', 'b']) {
      await channel.write(bytes(text));
      events.push(`${text} written`);
    }
    channel.end();
  })();
  for await (const chunk of channel) {
    await new Promise((resolve) => setImmediate(resolve));
    events.push(`${Buffer.from(chunk).toString()} read`);
  }
  await writing;
  expect(events).toEqual(['a read', 'a written', 'b read', 'b written']);
});

test('a failure of the writer is the reader’s, in place of bytes that were not read', async () => {
  const channel = new Channel();
  const written = channel.write(bytes('a'));
  channel.fail(new Error('first'));
  channel.fail(new Error('second'));
  await written;
  const reading = async () => {
    for await (const _ of channel);
  };
  await expect(reading()).rejects.toThrow('first');
});

test('a reader that stops lets the writer go on, into nothing', async () => {
  const channel = new Channel();
  const first = channel.write(bytes('a'));
  for await (const _ of channel) break;
  await first;
  expect(channel.isCancelled).toBe(true);
  await channel.write(bytes('b'));
});

test('a reader can be stopped before it has begun', async () => {
  const channel = new Channel();
  const first = channel.write(bytes('a'));
  channel.cancel();
  await first;
  await channel.write(bytes('b'));
});
