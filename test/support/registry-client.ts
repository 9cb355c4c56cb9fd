import { createHash, X509Certificate } from 'node:crypto';
import { Agent, type Dispatcher } from 'undici';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { grant, type Role } from '../../src/model/rights.ts';
import { certificateFor } from './certificates.ts';
import type { TestServer } from './server.ts';

/** An answer of the LXD API. */
export interface RegistryAnswer {
  status: number;
  headers: Record<string, string>;
  type: string;
  error: string;
  operation: string;
  metadata: Record<string, unknown>;
}

/** A client of LXD or Incus as far as the protocol sees it: a certificate of its own, and requests. */
export class RegistryClient {
  readonly fingerprint: string;
  readonly #server: TestServer;
  readonly #agent: Agent;
  readonly #tls: { cert?: string; key?: string; rejectUnauthorized: false };

  private constructor(server: TestServer, tls: { cert?: string; key?: string }) {
    this.#server = server;
    this.#tls = { ...tls, rejectUnauthorized: false };
    this.#agent = new Agent({ connect: this.#tls });
    const { cert } = tls;
    const bytes = cert === undefined ? '' : new X509Certificate(cert).raw;
    this.fingerprint = createHash('sha256').update(bytes).digest('hex');
    onTestFinished(() => this.#agent.destroy());
  }

  /** One that shows a certificate that the server has not seen, and does not trust yet. */
  static async create(server: TestServer): Promise<RegistryClient> {
    return new RegistryClient(server, await certificateFor(server));
  }

  /** One without a certificate, as the daemons are when they pull. */
  static anonymous(server: TestServer): RegistryClient {
    return new RegistryClient(server, {});
  }

  /** One that is trusted, by a join token. */
  static async joined(
    server: TestServer,
    options: Parameters<typeof joinSecret>[1] = {},
  ): Promise<RegistryClient> {
    const client = await RegistryClient.create(server);
    const answer = await client.join({ trust_token: await joinSecret(server, options) });
    if (answer.status !== 201) throw new Error(`could not join: ${answer.error}`);
    return client;
  }

  /** Asks to be trusted as LXD 5.0 and Incus do. */
  async join(
    secret: ({ password: string } | { trust_token: string }) & { name?: string },
  ): Promise<RegistryAnswer> {
    const body = {
      name: '',
      type: 'client',
      restricted: false,
      projects: null,
      certificate: '',
      token: false,
    };
    return await this.request('POST', '/1.0/certificates', { json: { ...body, ...secret } });
  }

  async get(path: string): Promise<RegistryAnswer> {
    return await this.request('GET', path);
  }

  async request(
    method: string,
    path: string,
    options: {
      json?: unknown;
      body?: Buffer | AsyncIterable<Uint8Array>;
      headers?: Record<string, string | string[]>;
    } = {},
  ): Promise<RegistryAnswer> {
    const { json, body = json === undefined ? undefined : JSON.stringify(json), headers = {} } = options;
    const response = await this.#agent.request({
      origin: this.#server.url(''),
      path,
      method: method as Dispatcher.HttpMethod,
      headers: { ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: body as Buffer }),
    });
    const text = await response.body.text();
    const answer = JSON.parse(text) as Omit<RegistryAnswer, 'status' | 'headers'>;
    return {
      ...answer,
      status: response.statusCode,
      headers: response.headers as Record<string, string>,
    };
  }

  /** Listens to events; resolves when it is connected. */
  async events(path = '/1.0/events'): Promise<EventsConnection> {
    return await EventsConnection.open(this.#server.url(path).replace('https:', 'wss:'), this.#tls);
  }
}

/** A connection to `/1.0/events`. */
export class EventsConnection {
  readonly events: { type: string; metadata: Record<string, unknown> }[] = [];
  readonly socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data) => {
      this.events.push(JSON.parse(String(data)) as { type: string; metadata: Record<string, unknown> });
    });
    onTestFinished(() => socket.terminate());
  }

  /** @throws Error `Unexpected server response: 403` and the like when it is refused */
  static async open(url: string, options: object): Promise<EventsConnection> {
    const connection = new EventsConnection(new WebSocket(url, options));
    await new Promise<void>((resolve, reject) => {
      connection.socket.once('open', resolve).once('error', reject);
    });
    return connection;
  }

  /** The statuses of an operation, as they were heard. */
  statusesOf(operation: unknown): unknown[] {
    return this.events
      .filter(({ metadata }) => metadata['id'] === operation)
      .map(({ metadata }) => metadata['status']);
  }
}

/** The secret in a new join token. */
export async function joinSecret(
  server: TestServer,
  options: { name?: string; role?: Role; streams?: string[]; names?: string[]; expiresAt?: Date } = {},
): Promise<string> {
  const { name = `client ${Math.random()}`, expiresAt, ...request } = options;
  const { secret } = await server.workspace.catalog.tokens.create({
    name,
    purpose: 'join',
    ...grant('join', request, { pushedTo: 'pushed' }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  });
  return secret;
}
