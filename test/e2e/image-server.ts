import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { SigningKey } from '../mirror/upstream/gpg.ts';
import { run } from '../support/command.ts';
import { freePort } from './headwater.ts';

/** What an image is called. */
export interface ImageName {
  /** Debian when left out. */
  os?: string;
  release: string;
  /** As metadata.yaml has it: `x86_64`. */
  architecture: string;
  /** `YYYY-MM-DDTHH:MM:00Z` */
  made: string;
}

/** An image server as people run them: a tree that incus-simplestreams keeps, signed with gpg, served by nginx. */
export class ImageServer {
  readonly url: string;
  readonly #directory: string;
  readonly #port: number;
  readonly #key: SigningKey;
  #nginx: ChildProcess | undefined;

  private constructor(directory: string, port: number, key: SigningKey) {
    this.#directory = directory;
    this.#port = port;
    this.#key = key;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** Makes an empty one; nothing runs yet. */
  static async create(): Promise<ImageServer> {
    const directory = await mkdtemp(path.join(tmpdir(), 'headwater-upstream-'));
    await mkdir(path.join(directory, 'tree'));
    // nginx's workers are another user.
    await run('chmod', ['-R', 'a+rX', directory]);
    return new ImageServer(directory, await freePort(), await SigningKey.make('upstream'));
  }

  /** The file of its public key. */
  get keyring(): string {
    return this.#key.keyring;
  }

  get #tree(): string {
    return path.join(this.#directory, 'tree');
  }

  /** Adds an image with a real root, a squashfs, and signs the documents anew. */
  async add(name: ImageName, root: string): Promise<void> {
    const work = await mkdtemp(path.join(this.#directory, 'image-'));
    const { os = 'Debian', release, architecture, made } = name;
    const metadata = {
      architecture,
      creation_date: Date.parse(made) / 1000,
      properties: {
        os,
        release,
        variant: 'default',
        architecture,
        description: `${os} ${release}`,
      },
      templates: { '/etc/hostname': { when: ['create', 'copy'], template: 'hostname.tpl' } },
    };
    await writeFile(path.join(work, 'metadata.yaml'), stringify(metadata));
    await mkdir(path.join(work, 'templates'));
    await writeFile(path.join(work, 'templates/hostname.tpl'), '{{ container.name }}\n');
    const packed = path.join(work, 'metadata.tar.xz');
    await run('tar', ['-C', work, '-cJf', packed, 'metadata.yaml', 'templates']);
    await run('incus-simplestreams', ['add', packed, root], { cwd: this.#tree, env: { TZ: 'UTC' } });
    await rm(work, { recursive: true });
    await this.#sign();
  }

  async start(): Promise<void> {
    const { dir, file } = { dir: this.#directory, file: path.join(this.#directory, 'nginx.conf') };
    await writeFile(
      file,
      `daemon off; pid ${dir}/pid; error_log stderr; events {}
      http {
        access_log off;
        client_body_temp_path ${dir}; proxy_temp_path ${dir}; fastcgi_temp_path ${dir};
        uwsgi_temp_path ${dir}; scgi_temp_path ${dir};
        server { listen 127.0.0.1:${this.#port}; root ${this.#tree}; }
      }`,
    );
    this.#nginx = spawn('nginx', ['-c', file, '-e', 'stderr'], { stdio: 'ignore' });
    for (let tries = 0; tries < 100; tries++) {
      const answer = await fetch(`${this.url}/streams/v1/index.sjson`).catch(() => undefined);
      await answer?.body?.cancel();
      if (answer?.status === 200) return;
      await sleep(50);
    }
    throw new Error('nginx does not serve the tree');
  }

  async stop(): Promise<void> {
    const nginx = this.#nginx;
    this.#nginx = undefined;
    if (nginx === undefined) return;
    const ended = new Promise((resolve) => nginx.once('exit', resolve));
    nginx.kill('SIGTERM');
    await ended;
  }

  /** Stops it and removes everything. */
  async remove(): Promise<void> {
    await this.stop();
    await this.#key.remove();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Makes `.sjson` of the documents, as js2signed of simplestreams does: the products first. */
  async #sign(): Promise<void> {
    await run('chmod', ['-R', 'a+rX', this.#directory]);
    for (const name of ['images', 'index']) {
      const file = path.join(this.#tree, 'streams/v1', name);
      const plain = await readFile(`${file}.json`, 'utf8');
      await writeFile(`${file}.new`, await this.#key.clearSign(plain.replaceAll('.json"', '.sjson"')));
      await run('chmod', ['a+r', `${file}.new`]);
      await rename(`${file}.new`, `${file}.sjson`);
    }
  }
}
