import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { makeSmallImage } from '../support/small-images.ts';
import type { SigningKey } from './upstream/gpg.ts';

/** A version, as a test wants its upstream to have it. */
interface Offer {
  product?: Record<string, unknown>;
  /** Changes what the document says of items, by ftype. */
  items?: Record<string, Record<string, unknown>>;
  version?: Record<string, unknown>;
  /** Bytes of the root, about. */
  size?: number;
  /** A metadata tarball in place of the image's own. */
  metadata?: Buffer;
}

interface Product {
  [field: string]: unknown;
  versions: Record<string, { items: Record<string, Record<string, unknown>>; [field: string]: unknown }>;
}

/** An image server over HTTP, with entity tags, whose images are small and real. */
export class TestUpstream {
  readonly url: string;
  /** What is served, by path. */
  readonly files = new Map<string, Buffer>();
  readonly products: Record<string, Product> = {};
  /** Every request, as `GET path status`. */
  readonly requests: string[] = [];
  /** Bytes a millisecond that it sends; as fast as it can when left out. A change also affects what is being sent. */
  pace: number | undefined;
  /** Bytes of a file that it sends, as if there were no more. */
  limit: number | undefined;
  /** What the documents say of themselves: the content id, and the time of their last change. */
  contentId = 'images';
  updated: string | undefined;
  /** A part of the entity tags: another one is another state of the same bytes. */
  generation = 0;
  /** Called before each request is answered. */
  onRequest: (path: string) => void = () => undefined;

  private constructor(url: string) {
    this.url = url;
  }

  /** Starts one, which ends with the test. */
  static async start(): Promise<TestUpstream> {
    const { upstream, stop } = await TestUpstream.listen();
    onTestFinished(stop);
    return upstream;
  }

  /** Starts one, which ends when it is told to. */
  static async listen(): Promise<{ upstream: TestUpstream; stop: () => Promise<void> }> {
    const server = http.createServer((request, response) => {
      const path = decodeURIComponent((request.url ?? '').slice(1));
      upstream.onRequest(path);
      const bytes = upstream.files.get(path);
      const etag = bytes === undefined ? '' : `"${sha256(bytes).slice(0, 16)}${upstream.generation || ''}"`;
      const status = bytes === undefined ? 404 : request.headers['if-none-match'] === etag ? 304 : 200;
      upstream.requests.push(`${request.method} ${path} ${status}`);
      response.writeHead(status, { ...(etag === '' ? {} : { ETag: etag }) });
      if (status !== 200 || bytes === undefined) response.end();
      else if (upstream.pace === undefined) response.end(bytes.subarray(0, upstream.limit));
      else void send(response, bytes, () => upstream.pace);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const upstream = new TestUpstream(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const stop = async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    };
    return { upstream, stop };
  }

  /** Adds a version of a product with an image of its own, and announces it. */
  async offer(name: string, serial: string, offer: Offer = {}): Promise<void> {
    const [os = 'debian', release = 'bookworm', arch = 'amd64', variant = 'default'] = name.split(':');
    const kernel = arch === 'arm64' ? 'aarch64' : 'x86_64';
    const image = await makeSmallImage({
      os,
      serial,
      size: offer.size ?? 2000,
      properties: { architecture: kernel },
    });
    const metadata = offer.metadata ?? (await readFile(image.metadata));
    const root = await readFile(image.root);
    await rm(image.directory, { recursive: true });
    const combined = sha256(Buffer.concat([metadata, root]));
    const base = `images/${os}/${release}/${arch}/${variant}/${serial}`;
    const listed = (file: string, bytes: Buffer, ftype: string, more: object = {}) => {
      this.files.set(`${base}/${file}`, bytes);
      const said = { ftype, path: `${base}/${file}`, sha256: sha256(bytes), size: bytes.length };
      return { ...said, ...more, ...offer.items?.[ftype] };
    };
    this.products[name] ??= {
      aliases: `${os}/${release}/${variant},${os}/${release}`,
      arch,
      os,
      release,
      release_title: release,
      variant,
      versions: {},
    };
    Object.assign(this.products[name], offer.product);
    this.products[name].versions[serial] = {
      ...offer.version,
      items: {
        'lxd.tar.xz': listed('lxd.tar.xz', metadata, 'lxd.tar.xz', { combined_squashfs_sha256: combined }),
        'root.squashfs': listed('rootfs.squashfs', root, 'squashfs'),
      },
    };
    this.announce();
  }

  /** Serves documents of the products as they are now. */
  announce(): void {
    const path = 'streams/v1/images.json';
    const names = Object.keys(this.products);
    const { contentId, updated } = this;
    const time = updated === undefined ? {} : { updated };
    const entry = { datatype: 'image-downloads', format: 'products:1.0', path, products: names, ...time };
    const aws = {
      datatype: 'image-ids',
      format: 'products:1.0',
      path: 'streams/v1/aws.json',
      products: ['a'],
    };
    this.#put('streams/v1/index.json', { format: 'index:1.0', ...time, index: { [contentId]: entry, aws } });
    const head = { content_id: contentId, datatype: 'image-downloads', format: 'products:1.0', ...time };
    this.#put(path, { ...head, products: this.products });
  }

  /**
   * Serves signed documents in place of the plain ones, as js2signed makes them.
   * @param options.at the day of the signatures, as `YYYYMMDD`; today when left out
   */
  async sign(key: SigningKey, options: { at?: string } = {}): Promise<void> {
    for (const name of ['index', 'images']) {
      const plain = this.files.get(`streams/v1/${name}.json`)?.toString() ?? '';
      this.files.delete(`streams/v1/${name}.json`);
      const signed = await key.clearSign(plain.replaceAll('.json"', '.sjson"'), options);
      this.files.set(`streams/v1/${name}.sjson`, Buffer.from(signed));
    }
  }

  /** Everything that is served now, for {@link serve}. */
  snapshot(): ReadonlyMap<string, Buffer> {
    return new Map(this.files);
  }

  /** Serves what another state, or another upstream, had. */
  serve(files: ReadonlyMap<string, Buffer>): void {
    this.files.clear();
    for (const [path, bytes] of files) this.files.set(path, bytes);
  }

  /** The requests since the last call, in no order that matters. */
  takeRequests(): string[] {
    return this.requests.splice(0).sort();
  }

  /** SHA-256 of what is served at a path. */
  digestOf(path: string): string {
    return sha256(this.files.get(path) ?? Buffer.alloc(0));
  }

  #put(path: string, content: unknown): void {
    this.files.set(path, Buffer.from(JSON.stringify(content)));
  }
}

/** Sends bytes slowly as long as there is a pace, until the client leaves. */
async function send(
  response: http.ServerResponse,
  bytes: Buffer,
  paceNow: () => number | undefined,
): Promise<void> {
  const step = 20;
  let at = 0;
  while (at < bytes.length && !response.destroyed) {
    const pace = paceNow();
    if (pace === undefined) break;
    response.write(bytes.subarray(at, at + pace * step));
    at += pace * step;
    await sleep(step);
  }
  response.end(bytes.subarray(at));
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
