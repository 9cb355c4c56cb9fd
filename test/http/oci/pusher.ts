import { createHash } from 'node:crypto';
import type { LayerImage } from '../../support/layer-images.ts';
import type { TestServer } from '../../support/server.ts';

export const sha256 = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Pushes as clients do. */
export class Pusher {
  readonly server: TestServer;
  readonly #token: string;
  readonly #repository: string;

  constructor(server: TestServer, token: string, repository: string) {
    this.server = server;
    this.#token = token;
    this.#repository = repository;
  }

  async send(method: string, path: string, body: Buffer = Buffer.alloc(0), headers = {}) {
    return await this.server.request(path.startsWith('/') ? path : `/v2/${this.#repository}/${path}`, {
      ...{ method, token: this.#token, headers: { 'content-length': String(body.length), ...headers } },
      body,
    });
  }

  async blob(bytes: Buffer, digest = sha256(bytes)): Promise<number> {
    const { headers } = await this.send('POST', 'blobs/uploads/');
    const patched = await this.send('PATCH', headers['location'] ?? '', bytes);
    const location = patched.headers['location'] ?? '';
    return (await this.send('PUT', `${location}?digest=${encodeURIComponent(digest)}`)).status;
  }

  async manifest(
    tag: string,
    { config, layers, mediaType = 'application/vnd.oci.image.manifest.v1+json' }: Manifest,
  ) {
    const descriptor = (bytes: Buffer) => ({ mediaType: 'x/y', digest: sha256(bytes), size: bytes.length });
    const body = Buffer.from(
      JSON.stringify({
        ...{ schemaVersion: 2, mediaType, config: descriptor(config), layers: layers.map(descriptor) },
      }),
    );
    const answer = await this.send('PUT', `manifests/${tag}`, body, { 'content-type': mediaType });
    return { ...answer, digest: sha256(body) };
  }
}

export interface Manifest {
  config: Buffer;
  layers: Buffer[];
  mediaType?: string;
}

/** The config of an image. */
export const configOf = (image: LayerImage, architecture = 'amd64') =>
  Buffer.from(
    JSON.stringify({
      ...{ architecture, os: 'linux', created: '2026-01-31T05:24:00Z' },
      rootfs: { type: 'layers', diff_ids: [`sha256:${image.unpacked}`] },
    }),
  );
