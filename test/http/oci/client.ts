import type { TestServer } from '../../support/server.ts';

/** An index, manifest or config. */
export interface Document {
  mediaType?: string;
  manifests?: { digest: string; size: number; platform: Record<string, string> }[];
  config?: { digest: string; size: number };
  layers?: { digest: string; size: number; mediaType: string }[];
  architecture?: string;
  variant?: string;
  created?: string;
  rootfs?: { diff_ids: string[] };
}

/** Reads a repository as clients do, and checks the digest of every answer. */
export class OciClient {
  readonly #server: TestServer;
  readonly #token: string | undefined;

  constructor(server: TestServer, token?: string) {
    this.#server = server;
    this.#token = token;
  }

  async get(path: string, options: { method?: string; headers?: Record<string, string> } = {}) {
    return await this.#server.request(path, {
      ...options,
      ...(this.#token === undefined ? {} : { token: this.#token }),
    });
  }

  async document(repository: string, reference: string): Promise<Document & { digest: string }> {
    const { status, headers, body } = await this.get(`/v2/${repository}/manifests/${reference}`);
    if (status !== 200) throw new Error(`${status} ${body.toString()}`);
    const digest = headers['docker-content-digest'] ?? '';
    return { ...(JSON.parse(body.toString()) as Document), digest };
  }

  /** The codes of an error. */
  async errors(path: string, options: { method?: string } = {}): Promise<[number, string[]]> {
    const { status, body } = await this.get(path, options);
    const { errors } = JSON.parse(body.toString()) as { errors: { code: string; message: string }[] };
    return [status, errors.map(({ code }) => code)];
  }

  async tags(repository: string): Promise<string[]> {
    const { body } = await this.get(`/v2/${repository}/tags/list`);
    return (JSON.parse(body.toString()) as { tags: string[] }).tags;
  }
}

/** A bearer token for repositories, as the token endpoint issues it for a Headwater token, or for nobody. */
export async function bearerFor(
  server: TestServer,
  secret: string | undefined,
  ...scopes: string[]
): Promise<string> {
  const query = scopes.map((scope) => `scope=${encodeURIComponent(scope)}`).join('&');
  const basic = Buffer.from(`any:${secret}`).toString('base64');
  const { status, body } = await server.request(`/v2/token?service=x&${query}`, {
    headers: secret === undefined ? {} : { authorization: `Basic ${basic}` },
  });
  if (status !== 200) throw new Error(`${status} ${body.toString()}`);
  return (JSON.parse(body.toString()) as { token: string }).token;
}
