import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { createServer as createPortServer, type Server as PortServer, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { codeOf, HeadwaterError, messageOf } from '../../errors.ts';
import { socketAddress } from './client-address.ts';
import type { OnRefused } from './refusals.ts';

/** How long a new connection may take to send its first byte, in milliseconds. */
const firstByteTimeout = 10_000;
/** How long a client may take to shake hands, and then for the headers of a request, in milliseconds. */
const defaultTimeouts = { handshake: 10_000, headers: 30_000, look: 5000 };
/** TCP keep-alive detects clients that vanished, even when nothing is sent to them. */
const socketOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 };
/** The first byte of a TLS handshake record (RFC 8446, section 5.1). */
const handshakeRecord = 0x16;

/** The code of the error that Node.js has for headers that do not end in time. */
const slowHeadersCode = 'ERR_HTTP_REQUEST_TIMEOUT';
/** The responses to bytes that are not a request, by code of the parser; all other codes get a 400. */
const refusalStatus: Record<string, string> = {
  [slowHeadersCode]: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
};

/** PEM texts. */
export interface TlsFiles {
  certificate: string;
  key: string;
}

/** Takes over a connection that is to use another protocol than HTTP. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** Which connections are accepted, and the receiver of refusals. */
export interface ListenerGate {
  /** Whether a new connection may stay; otherwise, it was closed. */
  admit(socket: Socket): boolean;
  onRefused: OnRefused;
}

/** A port that answers TLS and plain HTTP alike, or plain HTTP alone. */
export class Listener {
  readonly #port: PortServer;
  readonly #plain: Server;
  readonly #secure: TlsServer | undefined;
  /** Connections that have not sent their first byte, and when each was opened. */
  readonly #silent = new Map<Socket, number>();
  readonly #gate: ListenerGate | undefined;
  #boundPort: number | undefined;
  #sweeper: NodeJS.Timeout | undefined;

  /**
   * @param options.tls if omitted, the port speaks plain HTTP only
   * @param options.gate decides which connections may stay
   */
  constructor(
    options: { tls?: TlsFiles | undefined; timeouts?: typeof defaultTimeouts; gate?: ListenerGate } = {},
  ) {
    const { tls, timeouts = defaultTimeouts, gate } = options;
    this.#gate = gate;
    const settings = {
      // Uploads of images may take any time (body-watch.ts); headers may not.
      requestTimeout: 0,
      headersTimeout: timeouts.headers,
      connectionsCheckingInterval: timeouts.look,
      keepAliveTimeout: 65_000,
      maxHeaderSize: 32 * 1024,
      ...socketOptions,
    };
    this.#plain = createServer(settings);
    if (tls === undefined) {
      this.#port = this.#plain;
      // Before the HTTP server takes the connection.
      this.#plain.prependListener('connection', (socket) => gate?.admit(socket));
    } else {
      this.#secure = createTlsServer({
        ...settings,
        cert: tls.certificate,
        key: tls.key,
        minVersion: 'TLSv1.3',
        ALPNProtocols: ['http/1.1'],
        handshakeTimeout: timeouts.handshake,
        // A client certificate is requested, but not required, and any is accepted.
        requestCert: true,
        rejectUnauthorized: false,
      });
      // A client that aborts the handshake (LXD does, to read the certificate) is not an event.
      this.#secure.on('tlsClientError', (error, socket) => {
        if (codeOf(error) === 'ERR_TLS_HANDSHAKE_TIMEOUT')
          gate?.onRefused('handshake', socketAddress(socket));
        socket.destroy();
      });
      this.#port = createPortServer(socketOptions, (socket) => {
        if (gate?.admit(socket) !== false) this.#sort(socket);
      });
      // They get their connections from the port, and would not start to check for slow headers by themselves.
      for (const server of [this.#plain, this.#secure]) server.emit('listening');
    }
  }

  /**
   * Sets the handlers, before it listens.
   * @param isBusy whether a connection has an active response, during which nothing else may be written
   * @param upgrade gets the requests for another protocol, where everything is answered: over TLS, if there is any
   */
  handle(
    handler: RequestListener,
    upgrade: UpgradeListener,
    isBusy: (socket: Socket) => boolean = () => false,
  ): void {
    for (const server of [this.#plain, this.#secure]) {
      server?.on('request', handler);
      server?.on('clientError', (error: Error, socket: Duplex) => {
        if (socket instanceof Socket) this.#refuse(error, socket, isBusy(socket));
        else socket.destroy();
      });
    }
    (this.#secure ?? this.#plain).on('upgrade', upgrade);
  }

  /** The port that it has; undefined before it listens. */
  get port(): number | undefined {
    return this.#boundPort;
  }

  /**
   * Listens. `::` means every address of both families, or of IPv4 where there is no IPv6.
   * @returns the port
   * @throws HeadwaterError `unavailable`, naming the address and the port
   */
  async listen(address: string, port: number): Promise<number> {
    try {
      return await this.#listen(address, port);
    } catch (error) {
      if (address === '::' && codeOf(error) === 'EAFNOSUPPORT') return await this.listen('0.0.0.0', port);
      const reason =
        codeOf(error) === 'EADDRINUSE'
          ? 'something else listens there: stop it or choose another listen.port'
          : codeOf(error) === 'EACCES'
            ? 'permission denied: choose a listen.port from 1024 on, or give the process CAP_NET_BIND_SERVICE'
            : messageOf(error);
      throw new HeadwaterError('unavailable', `cannot listen on ${address} port ${port}: ${reason}`, {
        cause: error,
      });
    }
  }

  /** Uses another certificate for new connections; existing ones keep theirs. */
  renew(tls: TlsFiles): void {
    this.#secure?.setSecureContext({ cert: tls.certificate, key: tls.key, minVersion: 'TLSv1.3' });
  }

  /**
   * Accepts no new connections, and resolves when the last response has ended, or after the time limit: then whatever
   * is still open is cut.
   * @param limit milliseconds
   */
  async close(limit: number): Promise<void> {
    clearInterval(this.#sweeper);
    for (const socket of this.#silent.keys()) socket.destroy();
    const closeIdle = () => {
      this.#plain.closeIdleConnections();
      this.#secure?.closeIdleConnections();
    };
    // Connections that become idle after their response are closed.
    const idle = setInterval(closeIdle, 100);
    let cut: NodeJS.Timeout | undefined;
    await Promise.race([
      new Promise<void>((resolve) => {
        this.#port.close(() => resolve());
        closeIdle();
      }),
      new Promise<void>((resolve) => {
        cut = setTimeout(resolve, limit);
      }),
    ]);
    clearInterval(idle);
    clearTimeout(cut);
    for (const server of [this.#plain, this.#secure]) {
      server?.closeAllConnections();
      server?.close();
    }
  }

  #listen(address: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#port.once('error', reject);
      this.#port.listen({ host: address, port, backlog: 1024 }, () => {
        this.#port.off('error', reject);
        this.#sweeper = setInterval(() => this.#dropSilent(), firstByteTimeout / 2).unref();
        const bound = this.#port.address();
        this.#boundPort = typeof bound === 'object' && bound !== null ? bound.port : port;
        resolve(this.#boundPort);
      });
    });
  }

  /** Answers bytes that are not a request, as Node.js would; headers that do not end in time count as refused. */
  #refuse(error: Error, socket: Socket, isBusy: boolean): void {
    const code = codeOf(error) ?? '';
    if (code === slowHeadersCode) this.#gate?.onRefused('slowHeaders', socketAddress(socket));
    const status = refusalStatus[code] ?? (code.startsWith('HPE_') ? '400 Bad Request' : undefined);
    if (status === undefined || isBusy || !socket.writable) socket.destroy();
    else socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`, () => socket.destroy());
  }

  #dropSilent(): void {
    const limit = performance.now() - firstByteTimeout;
    for (const [socket, since] of this.#silent) {
      if (socket.destroyed || since < limit) {
        this.#silent.delete(socket);
        if (!socket.destroyed) this.#gate?.onRefused('handshake', socketAddress(socket));
        socket.destroy();
      }
    }
  }

  /**
   * Reads the first byte of a connection and passes the connection on. Every connection calls this: it does no more
   * than necessary.
   */
  #sort(socket: Socket): void {
    this.#silent.set(socket, performance.now());
    socket.on('error', ignore);
    socket.once('readable', () => {
      this.#silent.delete(socket);
      const first: Buffer | null = socket.read();
      if (first === null) {
        socket.destroy();
        return;
      }
      socket.off('error', ignore);
      socket.unshift(first);
      const server = first[0] === handshakeRecord ? this.#secure : this.#plain;
      server?.emit('connection', socket);
    });
  }
}

/** A connection that breaks before its first byte closes itself. */
function ignore(): void {}
