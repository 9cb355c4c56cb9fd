import type { Agent, Dispatcher } from 'undici';
import * as z from 'zod';
import { bytesOf } from '../../async/bytes-of.ts';
import type { UpdateSource } from '../../catalog/images/pushed-details.ts';
import { HeadwaterError, messageOf, quotable } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import type { ArrivingFile } from '../../publish/push.ts';
import { parseExpiry } from '../image-view.ts';
import { boundaryOf, readParts } from './multipart.ts';
import { pullAgent } from './pull-connection.ts';
import type { PullPolicy } from './pull-policy.ts';
import { TransferMeter } from './transfer-meter.ts';

/** The largest response of a daemon other than an image, in bytes. */
const answerLimit = 1024 * 1024;

/** A client's description of the image to pull (`api.ImagesPostSource`). */
export interface PullSource {
  server: string;
  protocol: string;
  /** The server's certificate as PEM; empty when the system trusts it. */
  certificate: string;
  fingerprint: string;
  alias: string;
  secret: string;
  project: string;
  /** `container`, `virtual-machine`, or empty; only for image servers. */
  image_type: string;
}

/** An image on another server, opened for reading. */
export interface PulledImage {
  /** As the server gives it. */
  fingerprint?: string;
  properties: Record<string, string>;
  expiresAt?: Date;
  filename: string;
  files: AsyncIterable<ArrivingFile>;
  /** The source of newer versions, if there is one. */
  updateSource?: UpdateSource;
}

/** Fetches an image from another server: `open`, then read its files, then `close`. */
export interface ImagePull {
  open(signal: AbortSignal, onProgress: (progress: string) => void): Promise<PulledImage>;
  close(): Promise<void>;
}

const aliasAnswer = z.object({ metadata: z.object({ target: z.string() }) });
const imageAnswer = z.object({
  metadata: z.object({
    fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
    size: z.number(),
    filename: z.string().nullish(),
    properties: z.record(z.string(), z.string()).nullish(),
    expires_at: z.string().nullish(),
  }),
});

/** Fetches an image from the daemon of a user, as daemons fetch from each other: without a client certificate. */
export class Pull implements ImagePull {
  readonly #source: PullSource;
  readonly #server: URL;
  readonly #agent: Agent;

  /** @throws HeadwaterError `invalid`, `forbidden` for problems that the request alone shows */
  constructor(source: PullSource, policy: PullPolicy) {
    this.#source = source;
    if (!['', 'lxd', 'incus'].includes(source.protocol)) {
      throw new HeadwaterError(
        'invalid',
        `source.protocol ${JSON.stringify(source.protocol)}: expected lxd, incus or simplestreams`,
      );
    }
    this.#server = parseServer(source.server);
    this.#agent = pullAgent(this.#server, { certificate: source.certificate, policy });
  }

  /**
   * Requests the image and begins to read it.
   * @throws HeadwaterError `unavailable` when the daemon cannot be reached (with a message that makes clients try its
   * next address) or sends no image
   */
  async open(signal: AbortSignal, onProgress: (progress: string) => void): Promise<PulledImage> {
    const { metadata } = await this.#image(signal);
    const path = `/1.0/images/${metadata.fingerprint}/export${this.#query()}`;
    const response = await this.#get(path, signal);
    if (response.statusCode !== 200) throw await refusal(this.#server, response);
    const body = counted(response.body, metadata.size, onProgress);
    const expiresAt = parseExpiry(metadata.expires_at ?? '');
    return {
      fingerprint: metadata.fingerprint,
      properties: metadata.properties ?? {},
      ...defined({ expiresAt }),
      filename: metadata.filename ?? '',
      files: filesOf(body, String(response.headers['content-type'])),
    };
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #image(signal: AbortSignal): Promise<z.infer<typeof imageAnswer>> {
    let { fingerprint } = this.#source;
    if (fingerprint === '') {
      const path = `/1.0/images/aliases/${encodeURIComponent(this.#source.alias)}${this.#query()}`;
      fingerprint = (await this.#json(path, signal, aliasAnswer)).metadata.target;
    }
    const path = `/1.0/images/${encodeURIComponent(fingerprint)}${this.#query()}`;
    return await this.#json(path, signal, imageAnswer);
  }

  #query(): string {
    const { project, secret } = this.#source;
    const query = new URLSearchParams({
      ...(project === '' ? {} : { project }),
      ...(secret === '' ? {} : { secret }),
    }).toString();
    return query === '' ? '' : `?${query}`;
  }

  async #json<Schema extends z.ZodType>(
    path: string,
    signal: AbortSignal,
    schema: Schema,
  ): Promise<z.infer<Schema>> {
    const response = await this.#get(path, signal);
    if (response.statusCode !== 200) throw await refusal(this.#server, response);
    const parsed = schema.safeParse(parseJson(await limitedText(response)));
    if (parsed.success) return parsed.data;
    throw new HeadwaterError(
      'unavailable',
      `${this.#server.host} sent a response that is not from LXD or Incus`,
    );
  }

  async #get(path: string, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    try {
      return await this.#agent.request({ origin: this.#server.origin, path, method: 'GET', signal });
    } catch (error) {
      if (signal.aborted)
        throw new HeadwaterError('aborted', 'the operation was cancelled', { cause: error });
      // LXD and Incus look for the first of these phrases, newer LXD for the second.
      throw new HeadwaterError(
        'unavailable',
        `Unable to connect to ${this.#server.host} (Cannot connect to it): ${quotable(messageOf(error))}`,
        { cause: error },
      );
    }
  }
}

function parseServer(text: string): URL {
  const server = URL.canParse(text) ? new URL(text) : undefined;
  if (server?.protocol === 'https:' && server.username === '' && server.password === '') return server;
  throw new HeadwaterError('invalid', `source.server ${JSON.stringify(text)}: expected https://HOST:PORT`);
}

async function* filesOf(body: AsyncIterable<Uint8Array>, contentType: string): AsyncGenerator<ArrivingFile> {
  if (!/^multipart\//i.test(contentType)) {
    yield { name: 'the image', bytes: body };
    return;
  }
  for await (const { name, bytes } of readParts(body, boundaryOf(contentType))) yield { name, bytes };
}

/** The reason without any text of the server: the client named it, and it may be any server in the allowed networks. */
async function refusal(server: URL, { statusCode, body }: Dispatcher.ResponseData): Promise<HeadwaterError> {
  await body.dump();
  const reason =
    statusCode === 404
      ? 'Image not found'
      : statusCode === 401 || statusCode === 403
        ? 'it expects another secret, or the image is not public there'
        : 'see its log';
  return new HeadwaterError(
    'unavailable',
    `${server.host} does not send the image: ${reason} (status ${statusCode})`,
  );
}

async function limitedText({ body }: Dispatcher.ResponseData): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of bytesOf(body)) {
    length += chunk.length;
    if (length > answerLimit)
      throw new HeadwaterError('unavailable', `an answer has more than ${answerLimit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON, so not a response of a daemon: the schema check fails.
    return undefined;
  }
}

async function* counted(
  body: AsyncIterable<Uint8Array>,
  total: number,
  onProgress: (progress: string) => void,
): AsyncGenerator<Uint8Array> {
  const meter = new TransferMeter(total, onProgress);
  try {
    yield* meter.count(body);
  } catch (error) {
    throw new HeadwaterError('unavailable', `the transfer broke off: ${messageOf(error)}`, { cause: error });
  }
}
