import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { corruptAt, cutAfter, holdAfter } from './fault-streams.ts';

/** What the proxy does to a request in place of passing it on faithfully. */
export type Misbehaviour =
  /** Answers by itself; the server behind sees nothing. */
  | { kind: 'answer'; status: number; headers?: Record<string, string>; body?: string }
  /** Passes the request on and cuts the connection after so many bytes of the answer's body. */
  | { kind: 'cut-answer'; after: number }
  /** Cuts both connections after so many bytes of the request's body. */
  | { kind: 'cut-request'; after: number }
  /** Lets the server do its work, then hangs up without an answer. */
  | { kind: 'lose-answer' }
  /** Never answers. */
  | { kind: 'stall' }
  /** Changes the byte at an offset of the request's or the answer's body. */
  | { kind: 'corrupt-request' | 'corrupt-answer'; at: number }
  /** Passes so many bytes of the answer's body on, then waits for `release()`. */
  | { kind: 'hold-answer'; after: number };

export interface SeenRequest {
  method: string;
  /** With the query. */
  path: string;
  headers: http.IncomingHttpHeaders;
  /** The body as far as it has come, at most 64 KiB of it. */
  body: string;
}

export interface Fault {
  do: Misbehaviour;
  /** Which requests; all when left out. */
  when?: (request: SeenRequest) => boolean;
  /** How many of them, counted after `skip`; all when left out. */
  times?: number;
  /** How many of them to pass on faithfully first. */
  skip?: number;
}

/**
 * An HTTP proxy in front of one server that misbehaves on purpose. It keeps the Host header, so signatures that
 * clients make of it stay good.
 */
export class FaultProxy {
  /** Everything that was asked, in order. */
  readonly requests: SeenRequest[] = [];
  readonly #target: URL;
  readonly #agent: http.Agent;
  readonly #sockets = new Set<Socket>();
  #faults: Fault[] = [];
  #server: http.Server;
  #port = 0;
  #release: () => void = () => undefined;
  #released: Promise<void> = Promise.resolve();

  private constructor(target: URL) {
    this.#target = target;
    this.#agent =
      target.protocol === 'https:' ? new https.Agent({ rejectUnauthorized: false }) : new http.Agent();
    this.#server = this.#makeServer();
  }

  /** @param target the address of the server behind, such as `http://127.0.0.1:8080` */
  static async start(target: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(new URL(target));
    await proxy.accept();
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Adds a fault. For each request, the first one that fits is done. */
  inject(fault: Fault): void {
    this.#faults.push({ ...fault });
    if (fault.do.kind === 'hold-answer') {
      this.#released = new Promise((resolve) => {
        this.#release = resolve;
      });
    }
  }

  /** Behaves well from now on, and forgets what was asked. */
  reset(): void {
    this.#faults = [];
    this.requests.length = 0;
    this.#release();
  }

  /** Lets held answers go on. */
  release(): void {
    this.#release();
  }

  /** Refuses connections, and cuts those there are, as a server that is down does. */
  async refuse(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  /** Takes connections again, at the same address. */
  async accept(): Promise<void> {
    this.#server = this.#makeServer();
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Cuts all connections there are. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.#release();
    if (this.#server.listening) await this.refuse();
    this.#agent.destroy();
  }

  #makeServer(): http.Server {
    const server = http.createServer((request, response) => {
      // Whoever is cut off on purpose does not matter.
      const { socket } = request;
      this.#handle(request, response).catch(() => socket.destroy());
    });
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    return server;
  }

  #faultFor(request: SeenRequest): Misbehaviour | undefined {
    const fault = this.#faults.find(({ when, times }) => times !== 0 && (when?.(request) ?? true));
    if (fault === undefined) return undefined;
    if (fault.skip !== undefined && fault.skip > 0) {
      fault.skip--;
      return undefined;
    }
    if (fault.times !== undefined) fault.times--;
    return fault.do;
  }

  async #handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { method = 'GET', url: path = '/', headers } = request;
    const seen: SeenRequest = { method, path, headers, body: '' };
    request.on('data', (chunk: Buffer) => {
      if (seen.body.length < 65_536) seen.body += chunk.toString('latin1').slice(0, 65_536);
    });
    this.requests.push(seen);
    const fault = this.#faultFor(seen);
    if (fault?.kind === 'stall') return;
    if (fault?.kind === 'answer') {
      request.resume();
      await once(request, 'end');
      response.writeHead(fault.status, fault.headers).end(method === 'HEAD' ? undefined : fault.body);
      return;
    }
    await this.#pass(request, response, seen, fault);
  }

  async #pass(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    { method, path, headers }: SeenRequest,
    fault: Misbehaviour | undefined,
  ): Promise<void> {
    const { protocol, hostname, port } = this.#target;
    const onward = (protocol === 'https:' ? https : http).request({
      hostname,
      port,
      method,
      path,
      headers,
      agent: this.#agent,
    });
    const answered = once(onward, 'response') as Promise<[http.IncomingMessage]>;
    answered.catch(() => undefined);
    const cutRequest = fault?.kind === 'cut-request' ? fault.after : undefined;
    await pipeline(
      request,
      corruptAt(fault?.kind === 'corrupt-request' ? fault.at : undefined),
      cutAfter(cutRequest),
      onward,
    ).catch((error: unknown) => {
      onward.destroy();
      throw error;
    });
    const [answer] = await answered;
    if (fault?.kind === 'lose-answer') {
      answer.resume();
      await once(answer, 'end');
      throw new Error('lost on purpose');
    }
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    const held = fault?.kind === 'hold-answer' ? fault.after : undefined;
    const cut = fault?.kind === 'cut-answer' ? fault.after : undefined;
    const faults = [
      corruptAt(fault?.kind === 'corrupt-answer' ? fault.at : undefined),
      holdAfter(held, this.#released),
      cutAfter(cut),
    ];
    await pipeline([answer, ...faults, response]);
  }
}
