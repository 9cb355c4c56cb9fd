import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import { Agent, type Dispatcher } from 'undici';
import { HeadwaterError, within } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { type AnswerSchema, readAnswer } from '../../http/api/openapi/read-answer.ts';
import { version } from '../../version.ts';
import { type ApiResponse, connectionError, responseError } from './api-errors.ts';

/** The address of the server, and the credentials. */
export interface ApiTarget {
  server: string;
  token?: string;
  /** A PEM file. */
  ca?: string;
  insecure: boolean;
}

/** In milliseconds. The response to an upload comes when its bytes are durable, which may take the store a while. */
const answerTimeout = 15 * 60_000;

export interface ApiRequest {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Below `/api/v1/`, with each part encoded. */
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  /** Sent as JSON, unless it is bytes. */
  body?: unknown;
  bytes?: AsyncIterable<Uint8Array>;
}

/** Speaks to the HTTP API of a server. */
export class ApiClient {
  readonly #base: URL;
  readonly #agent: Agent;
  readonly #token: string | undefined;

  private constructor(base: URL, agent: Agent, token: string | undefined) {
    this.#base = base;
    this.#agent = agent;
    this.#token = token;
  }

  /** @throws HeadwaterError `usage` for an invalid address or an unreadable certificate file */
  static async open(target: ApiTarget): Promise<ApiClient> {
    const { server } = target;
    if (!/^https?:\/\//.test(server) || !URL.canParse(server)) {
      throw new HeadwaterError(
        'usage',
        `--server ${server}: expected an address such as https://images.example.com:8443`,
      );
    }
    const connect = {
      ...(target.ca === undefined ? {} : { ca: [...rootCertificates, await readCertificates(target.ca)] }),
      rejectUnauthorized: !target.insecure,
      timeout: 10_000,
    };
    const agent = new Agent({ connect, headersTimeout: answerTimeout, bodyTimeout: 60_000 });
    return new ApiClient(
      new URL('api/v1/', server.endsWith('/') ? server : `${server}/`),
      agent,
      target.token,
    );
  }

  /** Opens a client, does the work and closes the client. */
  static async with<Result>(
    target: ApiTarget,
    work: (client: ApiClient) => Promise<Result>,
  ): Promise<Result> {
    const client = await ApiClient.open(target);
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  }

  /** The address of the server, for messages. */
  get server(): string {
    return this.#base.origin;
  }

  /**
   * Sends a request and reads the answer in the response.
   * @param answer what the API describes for it
   * @throws HeadwaterError of the kind in the response, or `unavailable` if the server cannot be reached or answers
   * something else
   */
  async json<Answer>(options: ApiRequest, answer: AnswerSchema<Answer>): Promise<Answer> {
    const body = await this.succeed(options);
    try {
      return readAnswer(answer, body);
    } catch (error) {
      throw within(this.server, error);
    }
  }

  /**
   * Sends a request of which only the success counts.
   * @returns the JSON in the response; undefined if it is empty
   * @throws HeadwaterError of the kind in the response, or `unavailable` if the server cannot be reached
   */
  async succeed(options: ApiRequest): Promise<unknown> {
    const response = await this.send(options);
    if (response.status >= 300) throw responseError(this.server, response);
    try {
      return response.text === '' ? undefined : JSON.parse(response.text);
    } catch (error) {
      throw new HeadwaterError(
        'unavailable',
        `${this.server}: the response is not JSON; is this a Headwater server?`,
        { cause: error },
      );
    }
  }

  /**
   * Sends a request and returns the response, whatever its status.
   * @throws HeadwaterError `unavailable` if the server cannot be reached
   */
  async send({ method, path, query, headers, body, bytes }: ApiRequest): Promise<ApiResponse> {
    const url = new URL(path, this.#base);
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
    try {
      const response = await this.#agent.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method,
        headers: {
          accept: 'application/json',
          'user-agent': `headwater/${version}`,
          ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(bytes === undefined
          ? {}
          : { body: bytes as unknown as NonNullable<Dispatcher.RequestOptions['body']> }),
      });
      return { status: response.statusCode, headers: response.headers, text: await response.body.text() };
    } catch (error) {
      throw error instanceof HeadwaterError ? error : connectionError(this.server, error);
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

async function readCertificates(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { message } = fileError(error, { path: file, doing: 'read', isInput: true });
    throw new HeadwaterError('usage', `--ca ${message}`, { cause: error });
  }
}
