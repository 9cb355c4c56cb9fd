import http from 'node:http';
import path from 'node:path';
import { clientEnvironment } from '../support/daemons.ts';

/** What a daemon makes of an image: `started`, or where and why it failed. */
export type Fate = 'started' | `import: ${string}` | `create: ${string}` | `start: ${string}`;

interface Answer {
  type?: string;
  error?: string;
  operation?: string;
  metadata?: { status?: string; err?: string; metadata?: { fingerprint?: string } };
}

/** A daemon, asked over its socket: far sooner than by its client. */
export class DaemonApi {
  readonly name: 'lxd' | 'incus';
  readonly #socket: string;
  #instances = 0;

  constructor(name: 'lxd' | 'incus') {
    this.name = name;
    const { LXD_DIR, INCUS_DIR } = clientEnvironment;
    this.#socket = path.join(name === 'lxd' ? LXD_DIR : INCUS_DIR, 'unix.socket');
  }

  /** Imports an image, creates an instance of it and starts that; removes both. */
  async fate(image: Buffer): Promise<Fate> {
    const imported = await this.#operation('POST', '/1.0/images', image);
    if ('error' in imported) return `import: ${imported.error}`;
    const fingerprint = imported.fingerprint ?? '';
    try {
      return await this.#launch(fingerprint);
    } finally {
      await this.#operation('DELETE', `/1.0/images/${fingerprint}`);
    }
  }

  async #launch(fingerprint: string): Promise<Fate> {
    this.#instances += 1;
    const name = `acceptance-${process.pid}-${this.#instances}`;
    const source = { type: 'image', fingerprint };
    const created = await this.#operation('POST', '/1.0/instances', { name, type: 'container', source });
    if ('error' in created) return `create: ${created.error}`;
    const state = `/1.0/instances/${name}/state`;
    const started = await this.#operation('PUT', state, { action: 'start', timeout: 30 });
    if (!('error' in started))
      await this.#operation('PUT', state, { action: 'stop', force: true, timeout: 30 });
    await this.#operation('DELETE', `/1.0/instances/${name}`);
    return 'error' in started ? `start: ${started.error}` : 'started';
  }

  async #operation(
    method: string,
    url: string,
    body?: Buffer | object,
  ): Promise<{ error: string } | { fingerprint?: string }> {
    const answer = await this.#request(method, url, body);
    if (answer.type === 'error') return { error: answer.error ?? '' };
    if (answer.type !== 'async') return {};
    const ended = await this.#request('GET', `${answer.operation}/wait?timeout=60`);
    if (ended.metadata?.status === 'Success') return ended.metadata.metadata ?? {};
    return { error: ended.metadata?.err ?? ended.error ?? 'it failed' };
  }

  async #request(method: string, url: string, body?: Buffer | object): Promise<Answer> {
    const bytes = body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
    const type = Buffer.isBuffer(body) ? 'application/octet-stream' : 'application/json';
    return await new Promise((resolve, reject) => {
      const request = http.request(
        { socketPath: this.#socket, method, path: url, headers: { 'Content-Type': type } },
        (response) => {
          const parts: Buffer[] = [];
          response.on('data', (part: Buffer) => parts.push(part));
          response.on('error', reject);
          response.on('end', () => resolve(JSON.parse(Buffer.concat(parts).toString()) as Answer));
        },
      );
      request.on('error', reject);
      request.end(bytes);
    });
  }
}
