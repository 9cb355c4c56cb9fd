import { once } from 'node:events';
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { expect, test } from 'vitest';
import { writeAllowance } from '../../src/http/write-allowance.ts';

const kibibyte = 1024;
const least = 15.5 * kibibyte;
const largest = 496 * kibibyte;

async function close(...sockets: Socket[]): Promise<void> {
  const closed = Promise.all(sockets.map((socket) => once(socket, 'close')));
  for (const socket of sockets) socket.destroy();
  await closed;
}

test('a few TLS connections write much at once; with a thousand, all copies stay within the budget', async () => {
  const sockets = Array.from({ length: 1000 }, () => new TLSSocket(new Socket()));
  const sizes = sockets.map((socket) => writeAllowance({ socket }, largest));
  expect(sizes.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => largest));
  expect(Math.min(...sizes)).toBeGreaterThanOrEqual(least);
  expect(sizes.at(-1)).toBe(least);
  const beyondLeast = sizes.reduce((sum, size) => sum + size - least, 0);
  expect(beyondLeast).toBeLessThanOrEqual(16 * kibibyte * kibibyte);
  // What a connection has had stays, since Node.js keeps the buffers.
  expect(sockets.slice(0, 10).map((socket) => writeAllowance({ socket }, largest))).toEqual(
    sizes.slice(0, 10),
  );
  await close(...sockets);
  const next = new TLSSocket(new Socket());
  expect(writeAllowance({ socket: next }, largest)).toBe(largest);
  await close(next);
});

test('no more is allowed than is wanted, and a connection without TLS may write everything', async () => {
  const [encrypted, plain] = [new TLSSocket(new Socket()), new Socket()];
  expect(writeAllowance({ socket: encrypted }, 100)).toBe(100);
  expect(writeAllowance({ socket: encrypted }, 64 * kibibyte)).toBe(64 * kibibyte);
  expect(writeAllowance({ socket: plain }, 2 ** 30)).toBe(2 ** 30);
  expect(writeAllowance({ socket: null }, 2 ** 20)).toBe(2 ** 20);
  await close(encrypted, plain);
});
