import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** TLS encrypts into buffers of 16 KiB. With its overhead and the headers of the response, 16 KiB would need two. */
const minWriteSize = 15.5 * 1024;
/** How many bytes all connections together may write at once, beyond the least size for each. */
const budget = 16 * 1024 * 1024;
/** What share of the rest of the budget one connection may take: the more is taken, the less the next one gets. */
const share = 8;

/** Bytes that each open connection has written at once, at most, when these were more than the least size. */
const largestWrites = new WeakMap<Socket, number>();
let taken = 0;

/**
 * How many bytes may be written to a connection at once. TLS makes a copy of them, in buffers as large as the largest write,
 * and Node.js keeps two of these buffers until the connection is closed. So 500 fast downloads that took turns with large writes
 * would keep 500 MiB. A size that a connection has had once is allowed again. Without TLS there is no copy.
 * @param wanted the bytes that are to be written
 * @returns at most `wanted`, at least 1
 */
export function writeAllowance({ socket }: Pick<ServerResponse, 'socket'>, wanted: number): number {
  if (socket === null || !('encrypted' in socket) || wanted <= minWriteSize) return wanted;
  const before = largestWrites.get(socket) ?? minWriteSize;
  if (wanted <= before) return wanted;
  const size = Math.min(wanted, Math.max(before, Math.floor((budget - taken) / share)));
  if (size === before) return size;
  if (before === minWriteSize) socket.once('close', () => giveBack(socket));
  largestWrites.set(socket, size);
  taken += size - before;
  return size;
}

function giveBack(socket: Socket): void {
  taken -= (largestWrites.get(socket) ?? minWriteSize) - minWriteSize;
  largestWrites.delete(socket);
}
