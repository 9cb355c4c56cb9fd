import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { senderOf } from '../sender.ts';
import { peerAddress } from './client-address.ts';
import type { OnRefused } from './refusals.ts';

/** With this many requests waiting on a connection, no more are read from it. */
const maxWaitingPerConnection = 32;
/** How many requests may wait on all connections together: one read of a connection may contain a thousand. */
const maxWaiting = 20_000;
/** How often the progress of responses is checked, in milliseconds, unless the timeout is shorter. */
const maxCheckInterval = 5000;

interface Connection {
  response: ServerResponse;
  waiting: [IncomingMessage, ServerResponse][];
  paused: boolean;
  /** The bytes that the client had received at the last progress of its response. */
  taken: number;
  /** The time of that progress, by the clock of `performance`. */
  movedAt: number;
}

/**
 * Allows one active response per connection: a pipelined request (RFC 9112, section 9.3.2) is handled when the previous
 * response has ended, and never if the connection closes first. Connections whose clients read nothing of a response
 * for some time are closed.
 */
export class ResponseTurns {
  readonly #connections = new Map<Socket, Connection>();
  readonly #handle: RequestListener;
  readonly #onRefused: OnRefused;
  readonly #sendTimeout: number;
  readonly #timer: NodeJS.Timeout;
  #waiting = 0;

  /**
   * @param handle handles a request whose response has the connection
   * @param options.sendTimeout milliseconds
   */
  constructor(handle: RequestListener, options: { sendTimeout: number; onRefused: OnRefused }) {
    this.#handle = handle;
    this.#onRefused = options.onRefused;
    this.#sendTimeout = options.sendTimeout;
    this.#timer = setInterval(() => this.#check(), Math.min(maxCheckInterval, options.sendTimeout / 2));
    this.#timer.unref();
  }

  /** The number of active responses. */
  get size(): number {
    return this.#connections.size;
  }

  /** Whether a connection has an active response. */
  isBusy(socket: Socket): boolean {
    return this.#connections.has(socket);
  }

  /** Handles a request, now or when it is its turn. */
  readonly take: RequestListener = (request, response) => {
    const { socket } = request;
    // A request that was read before an earlier one caused the connection to be closed.
    if (socket.destroyed) return;
    const connection = this.#connections.get(socket);
    if (connection === undefined) {
      const first = { response, waiting: [], paused: false, taken: -1, movedAt: 0 };
      this.#connections.set(socket, first);
      this.#begin(socket, first, request, response);
      return;
    }
    if (this.#waiting >= maxWaiting) {
      this.#onRefused('pipelining', peerAddress(request));
      socket.destroy();
      return;
    }
    connection.waiting.push([request, response]);
    this.#waiting++;
    if (connection.waiting.length < maxWaitingPerConnection) return;
    connection.paused = true;
    socket.pause();
  };

  close(): void {
    clearInterval(this.#timer);
  }

  #begin(socket: Socket, connection: Connection, request: IncomingMessage, response: ServerResponse): void {
    connection.response = response;
    connection.taken = -1;
    // It is emitted once; a listener for once would cost more.
    response.on('close', () => this.#next(socket, connection));
    this.#handle(request, response);
  }

  #next(socket: Socket, connection: Connection): void {
    const next = socket.destroyed || socket.writableEnded ? undefined : connection.waiting.shift();
    if (next === undefined) {
      this.#waiting -= connection.waiting.length;
      this.#connections.delete(socket);
      return;
    }
    this.#waiting--;
    if (connection.paused && connection.waiting.length === 0) {
      connection.paused = false;
      socket.resume();
    }
    this.#begin(socket, connection, ...next);
  }

  #check(): void {
    const now = performance.now();
    for (const [socket, connection] of this.#connections) {
      // If the system has unsent bytes, the client must read; if not, the client waits for us.
      const isPending = socket.writableLength > 0 || connection.response.writableLength > 0;
      const taken = socket.bytesWritten - socket.writableLength;
      if (taken !== connection.taken || !(isPending || connection.paused)) {
        connection.taken = taken;
        connection.movedAt = now;
      } else if (now - connection.movedAt >= this.#sendTimeout) {
        const { req: request } = connection.response;
        this.#onRefused('sendTimeout', peerAddress(request), senderOf(request));
        socket.destroy();
      }
    }
  }
}
