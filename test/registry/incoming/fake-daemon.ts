import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { generate } from 'selfsigned';
import { onTestFinished } from 'vitest';
import { type ImageBytes, multipart } from '../../support/push-images.ts';
import type { RegistryAnswer, RegistryClient } from '../../support/registry-client.ts';

/** The answer of a daemon to a request for an image with the right secret. */
export class FakeDaemon {
  readonly requests: string[] = [];
  readonly certificate: string;
  readonly #server: Server;

  private constructor(certificate: string, server: Server) {
    this.certificate = certificate;
    this.#server = server;
  }

  static async start(image: ImageBytes, options: { cutAt?: number } = {}): Promise<FakeDaemon> {
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'elsewhere' }], {
      keyType: 'ec',
      curve: 'P-256',
      algorithm: 'sha256',
    });
    const server = createServer({ cert, key });
    const daemon = new FakeDaemon(cert, server);
    server.on('request', (request, response) => {
      daemon.requests.push(request.url ?? '');
      const url = new URL(request.url ?? '', 'https://daemon');
      if (url.searchParams.get('secret') !== 'sesame') {
        response.writeHead(404, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ type: 'error', error: 'Image not found', error_code: 404 }));
      } else if (url.pathname.endsWith('/export')) {
        const { body, contentType } = multipart([
          ['metadata', image.metadata],
          ['rootfs', image.root],
        ]);
        response.writeHead(200, { 'content-type': contentType });
        if (options.cutAt === undefined) response.end(body);
        else response.write(body.subarray(0, options.cutAt), () => response.destroy());
      } else {
        response.writeHead(200, { 'content-type': 'application/json' });
        const size = image.metadata.length + image.root.length;
        const metadata = {
          fingerprint: image.fingerprint,
          size,
          properties: { color: 'blue' },
          expires_at: '2030-01-01T00:00:00Z',
        };
        response.end(JSON.stringify({ type: 'sync', metadata }));
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return daemon;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
}

/** Asks for an image of a daemon, as `image copy OTHER:ALIAS ours:` does. */
export async function pull(
  client: RegistryClient,
  source: Record<string, unknown>,
  aliases?: { name: string }[],
): Promise<RegistryAnswer> {
  const body = {
    aliases,
    source: { type: 'image', mode: 'pull', protocol: 'lxd', project: 'default', ...source },
  };
  return await client.request('POST', '/1.0/images', { json: body });
}
