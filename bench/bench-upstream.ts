import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, type Hash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { request } from 'undici';
import { packTar } from '../src/image/tar/tar-pack.ts';
import { run } from '../test/support/command.ts';
import { endChild } from './bench-server.ts';
import { benchDirectory } from './fixtures.ts';

/** Which images an upstream has: versions of products, each with metadata of 1 KiB and a root. */
export interface UpstreamSize {
  products: number;
  versions: number;
  /** Bytes of each root. */
  root: number;
  /** Each version but a product's first has a delta, too, of 1 KiB. */
  deltas?: boolean;
}

/** An image server: a tree of images of their own, served by nginx. */
export class BenchUpstream {
  readonly url: string;
  /** Paths of all image files, below the address and below the directory. */
  readonly files: string[];
  readonly directory: string;
  readonly #nginx: ChildProcess;

  private constructor(url: string, directory: string, files: string[], nginx: ChildProcess) {
    this.url = url;
    this.directory = directory;
    this.files = files;
    this.#nginx = nginx;
  }

  /** @param size makes it when there is none of this size; with `files: false` there are only documents */
  static async start(
    name: string,
    size: UpstreamSize,
    options: { files: boolean; port?: number } = { files: true },
  ): Promise<BenchUpstream> {
    const directory = join(benchDirectory, `upstream-${name}`);
    if (!existsSync(directory)) await make(directory, size, options.files);
    const files = JSON.parse(await readFile(join(directory, 'files.json'), 'utf8')) as string[];
    const port = options.port ?? 18446;
    const url = `http://127.0.0.1:${port}`;
    const configuration = join(directory, 'nginx.conf');
    await writeFile(
      configuration,
      `daemon off; pid ${directory}/pid; error_log stderr; user root; events {}
      http {
        access_log off; sendfile on; keepalive_requests 1000000;
        client_body_temp_path ${directory}; proxy_temp_path ${directory}; fastcgi_temp_path ${directory};
        uwsgi_temp_path ${directory}; scgi_temp_path ${directory};
        server { listen 127.0.0.1:${port}; root ${directory}/tree; }
      }`,
    );
    const nginx = spawn('nginx', ['-c', configuration, '-e', 'stderr'], { stdio: 'ignore' });
    for (let tries = 0; ; tries++) {
      const answer = await request(`${url}/streams/v1/index.json`).catch(() => undefined);
      await answer?.body.dump();
      if (answer?.statusCode === 200) break;
      if (tries === 100) throw new Error('nginx does not serve the tree');
      await sleep(50);
    }
    return new BenchUpstream(url, directory, files, nginx);
  }

  async stop(): Promise<void> {
    await endChild(this.#nginx);
  }
}

async function make(directory: string, size: UpstreamSize, withFiles: boolean): Promise<void> {
  const staged = `${directory}.new`;
  await rm(staged, { recursive: true, force: true });
  const tree = join(staged, 'tree');
  const head = await emptySquashfs(staged);
  const files: string[] = [];
  const put = async (path: string, parts: () => AsyncIterable<Buffer> | Iterable<Buffer>) => {
    const hash = createHash('sha256');
    let bytes = 0;
    if (withFiles) await mkdir(dirname(join(tree, path)), { recursive: true });
    const file = withFiles ? await open(join(tree, path), 'w') : undefined;
    for await (const part of parts()) {
      hash.update(part);
      bytes += part.length;
      await file?.write(part);
    }
    await file?.close();
    files.push(path);
    return { path, sha256: hash.digest('hex'), size: bytes };
  };
  const deltaOf = async (version: number, base: string) => ({
    ftype: 'squashfs.vcdiff',
    delta_base: serialOf(version - 1),
    // A header (RFC 3284, section 4.1), then what nobody but a client reads.
    ...(await put(`${base}/delta.vcdiff`, () => [Buffer.from('d6c3c40000', 'hex'), randomBytes(1019)])),
  });
  const products: Record<string, unknown> = {};
  for (let product = 0; product < size.products; product++) {
    const release = `r${product}`;
    const versions: Record<string, unknown> = {};
    for (let version = 0; version < size.versions; version++) {
      const serial = serialOf(version);
      const base = `images/bench/${release}/amd64/default/${serial}`;
      const metadata = withFiles ? await metadataOf(release) : randomBytes(1024);
      const combined = createHash('sha256').update(metadata);
      const root = await put(`${base}/rootfs.squashfs`, () => seenBy(combined, rootOf(head, size.root)));
      const items = {
        // As the tools that make such trees and the known image servers have it.
        metadata: {
          ftype: 'lxd.tar.xz',
          ...(await put(`${base}/lxd.tar.gz`, () => [metadata])),
          combined_squashfs_sha256: combined.digest('hex'),
        },
        root: { ftype: 'squashfs', ...root },
        ...(size.deltas === true && version > 0 ? { delta: await deltaOf(version, base) } : {}),
      };
      versions[serial] = { items };
    }
    products[`bench:${release}:amd64:default`] = {
      arch: 'amd64',
      os: 'bench',
      release,
      release_title: release,
      variant: 'default',
      versions,
    };
  }
  await mkdir(join(tree, 'streams/v1'), { recursive: true });
  const path = 'streams/v1/images.json';
  const index = {
    images: { datatype: 'image-downloads', format: 'products:1.0', path, products: Object.keys(products) },
  };
  const document = { content_id: 'images', datatype: 'image-downloads', format: 'products:1.0', products };
  await writeFile(join(tree, path), JSON.stringify(document));
  await writeFile(join(tree, 'streams/v1/index.json'), JSON.stringify({ format: 'index:1.0', index }));
  await writeFile(join(staged, 'files.json'), JSON.stringify(files));
  await rename(staged, directory);
}

function serialOf(version: number): string {
  const day = new Date(Date.UTC(2020, 0, 1 + version));
  return `${day.toISOString().slice(0, 10).replaceAll('-', '')}_0000`;
}

async function metadataOf(release: string): Promise<Buffer> {
  const noise = randomBytes(400).toString('hex');
  const yaml =
    `architecture: amd64\ncreation_date: 1767225600\n` +
    `properties: {os: bench, release: ${release}, variant: default, noise: ${noise}}\n`;
  const entry = {
    name: 'metadata.yaml',
    type: 'file' as const,
    mode: 0o644,
    mtime: new Date(0),
    bytes: Buffer.from(yaml),
  };
  return gzipSync(await packTar([entry]));
}

/** The head of a squashfs with next to nothing in it: what follows is taken for padding. */
async function emptySquashfs(directory: string): Promise<Buffer> {
  const [empty, file] = [join(directory, 'empty'), join(directory, 'empty.squashfs')];
  for (const folder of ['bin', 'etc']) await mkdir(join(empty, folder), { recursive: true });
  await run('mksquashfs', [empty, file, '-nopad', '-no-progress', '-quiet']);
  return await readFile(file);
}

function* seenBy(hash: Hash, bytes: Iterable<Buffer>): Generator<Buffer> {
  for (const part of bytes) {
    hash.update(part);
    yield part;
  }
}

function* rootOf(head: Buffer, size: number): Generator<Buffer> {
  yield head;
  for (let left = size - head.length; left > 0; left -= 1024 * 1024) {
    yield randomBytes(Math.min(left, 1024 * 1024));
  }
}
