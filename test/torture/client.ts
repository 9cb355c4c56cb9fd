import { Agent, type Dispatcher } from 'undici';

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  json: () => unknown;
}

/** Requests to a server under trial. */
export class Client {
  readonly #origin: string;
  readonly #token: string;
  readonly #agent = new Agent({ connect: { rejectUnauthorized: false }, pipelining: 1 });

  constructor(port: number, token: string) {
    this.#origin = `https://127.0.0.1:${port}`;
    this.#token = token;
  }

  get url(): string {
    return this.#origin;
  }

  /** @throws what undici throws when the server goes away */
  async request(
    method: string,
    path: string,
    options: { body?: Buffer; json?: unknown; headers?: Record<string, string>; anonymous?: boolean } = {},
  ): Promise<Answer> {
    const { json, headers = {} } = options;
    const body = json === undefined ? options.body : Buffer.from(JSON.stringify(json));
    const response = await this.#agent.request({
      origin: this.#origin,
      path,
      method: method as Dispatcher.HttpMethod,
      headers: {
        ...(options.anonymous === true ? {} : { authorization: `Bearer ${this.#token}` }),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
    });
    const bytes = Buffer.from(await response.body.arrayBuffer());
    return {
      status: response.statusCode,
      headers: response.headers,
      body: bytes,
      json: () => JSON.parse(bytes.toString()) as unknown,
    };
  }

  async get(path: string): Promise<Answer> {
    return await this.request('GET', path);
  }

  /** Cuts its connections. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}
