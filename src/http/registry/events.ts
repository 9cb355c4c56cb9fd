import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Access, type Known, keyOf } from '../../access/access.ts';
import { HeadwaterError, messageOf } from '../../errors.ts';
import type { Operations } from '../../registry/operations/operations.ts';
import { clientAddress } from '../connection/client-address.ts';
import type { OnRefused } from '../connection/refusals.ts';
import { identify } from '../identify.ts';
import { failure } from './envelope.ts';

/** How often connections are checked: that clients respond and are still trusted, in milliseconds. */
const checkInterval = 30_000;
/** A client with more unread bytes than this is disconnected. */
const unreadLimit = 4 * 1024 * 1024;
/** The largest message from a client, in bytes: clients send nothing on this connection. */
const messageLimit = 1024;

interface Listening {
  socket: WebSocket;
  identity: Known;
  request: IncomingMessage;
  answered: boolean;
}

/**
 * `/1.0/events`: a WebSocket on which a client gets every change of its operations. It stays open until the client
 * disconnects: clients take an early end for a failure of what they wait for.
 */
export class Events {
  readonly #access: Access;
  readonly #operations: Operations;
  readonly #onRefused: OnRefused | undefined;
  readonly #server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: messageLimit,
    clientTracking: false,
  });
  readonly #listening = new Set<Listening>();
  readonly #timer: NodeJS.Timeout;
  #closing = false;

  constructor(services: { access: Access; operations: Operations; onRefused?: OnRefused }) {
    this.#access = services.access;
    this.#operations = services.operations;
    this.#onRefused = services.onRefused;
    this.#timer = setInterval(() => void this.#check(), checkInterval).unref();
  }

  /** The number of listening clients. */
  get size(): number {
    return this.#listening.size;
  }

  /** Answers a request to switch its connection to another protocol. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    try {
      const [path] = (request.url ?? '').split('?');
      if (path !== '/1.0/events' || request.headers.upgrade?.toLowerCase() !== 'websocket') {
        throw new HeadwaterError('invalid', 'only /1.0/events accepts WebSocket connections');
      }
      if (this.#closing) throw new HeadwaterError('unavailable', 'the server is stopping');
      const identity = await identify(this.#access, request);
      if (identity === undefined) throw new HeadwaterError('forbidden', 'not authorized');
      this.#server.handleUpgrade(request, socket, head, (client) => this.#listen(client, identity, request));
    } catch (error) {
      refuse(socket, error);
    }
  }

  /** Disconnects clients as soon as they have no active operation, and accepts no new ones. */
  drain(): void {
    this.#closing = true;
    for (const { socket, identity } of this.#listening) {
      if (!this.#operations.isBusy(identity)) socket.close(1001);
    }
  }

  close(): void {
    this.#closing = true;
    clearInterval(this.#timer);
    for (const { socket } of this.#listening) socket.terminate();
  }

  #listen(socket: WebSocket, identity: Known, request: IncomingMessage): void {
    const listening = { socket, identity, request, answered: true };
    const unsubscribe = this.#operations.subscribe(identity, (frame) => {
      if (socket.bufferedAmount <= unreadLimit) socket.send(frame);
      else this.#terminate(listening);
    });
    this.#listening.add(listening);
    socket.on('pong', () => {
      listening.answered = true;
    });
    // A connection that breaks is closed, too.
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      unsubscribe();
      this.#listening.delete(listening);
    });
  }

  #terminate({ socket, identity, request }: Listening): void {
    if (socket.readyState === socket.OPEN)
      this.#onRefused?.('unreadEvents', clientAddress(request), keyOf(identity));
    socket.terminate();
  }

  /** Ends the connections of clients that no longer respond or are no longer trusted. */
  async #check(): Promise<void> {
    for (const listening of this.#listening) {
      const { socket, request, answered } = listening;
      const identity = await identify(this.#access, request).catch(() => undefined);
      if (!answered || identity === undefined) {
        socket.terminate();
        continue;
      }
      listening.answered = false;
      socket.ping();
    }
  }
}

function refuse(socket: Duplex, error: unknown): void {
  const kind = error instanceof HeadwaterError ? error.kind : undefined;
  const status = kind === 'invalid' ? 400 : kind === 'unavailable' ? 503 : kind === undefined ? 500 : 403;
  const body = JSON.stringify(
    failure(status, kind === undefined ? 'something went wrong here' : messageOf(error)),
  );
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  );
}
