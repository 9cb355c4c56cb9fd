import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { scratchDirectory } from './catalog.ts';
import { placeServerCertificate } from './certificates.ts';
import { run } from './command.ts';
import { makeSmallImage } from './small-images.ts';

const program = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** Where {@link ChildServer.publish} and {@link PreparedImage} publish. */
export const imagePath = '/images/debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs';

/** A data directory with one image, on whose copies the servers of a test file start. */
export class PreparedImage {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Makes one. @param size bytes of the image, about */
  static async make(size: number): Promise<PreparedImage> {
    const directory = await mkdtemp(join(tmpdir(), 'headwater-test-'));
    await publishImage(size, directory);
    return new PreparedImage(directory);
  }

  /** Starts a server on a copy, which ends with the test. */
  async start(settings: string[] = []): Promise<ChildServer> {
    const copy = await scratchDirectory();
    await cp(this.#directory, copy, { recursive: true });
    return await ChildServer.start(settings, copy);
  }

  /** Starts a server on the directory itself, for the tests of a file that share it; to be ended before {@link remove}. */
  async open(): Promise<ChildServer> {
    return await ChildServer.open([], this.#directory);
  }

  async copy(): Promise<PreparedImage> {
    const copy = await mkdtemp(join(tmpdir(), 'headwater-test-'));
    await cp(this.#directory, copy, { recursive: true });
    return new PreparedImage(copy);
  }

  async remove(): Promise<void> {
    await rm(this.#directory, { recursive: true });
  }
}

async function publishImage(size: number, dataDir: string): Promise<void> {
  const { directory, metadata, root } = await makeSmallImage({ size });
  await run(process.execPath, [program, 'publish', metadata, root, '--data-dir', dataDir]);
  await rm(directory, { recursive: true });
}

/** The built program as a server in a process of its own, whose memory and open files can be measured. */
export class ChildServer {
  readonly #child: ChildProcess;
  readonly dataDir: string;
  readonly port: number;
  /** What it has logged, as text. */
  log = '';

  private constructor(child: ChildProcess, dataDir: string, port: number) {
    this.#child = child;
    this.dataDir = dataDir;
    this.port = port;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.log += text;
    });
  }

  /** Starts one on every address of the loopback network, which ends with the test. */
  static async start(settings: string[] = [], dataDir?: string): Promise<ChildServer> {
    const server = await ChildServer.open(settings, dataDir ?? (await scratchDirectory()));
    onTestFinished(() => server.end());
    return server;
  }

  /** Starts one on every address of the loopback network, which ends when it is told to. */
  static async open(settings: string[], directory: string): Promise<ChildServer> {
    await placeServerCertificate(directory);
    const all = ['listen.port=0', 'listen.address=0.0.0.0', 'shutdownTimeout=0s', ...settings];
    const child = spawn(
      process.execPath,
      [program, 'serve', '--json', '--data-dir', directory, ...all.flatMap((setting) => ['--set', setting])],
      { stdio: ['ignore', 'pipe', 'pipe'], env: withoutSettings() },
    );
    const lines = createInterface({ input: child.stdout });
    const first = await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve);
      child.once('close', (code) => reject(new Error(`the server ended with exit code ${code}`)));
    });
    return new ChildServer(child, directory, (JSON.parse(first) as { port: number }).port);
  }

  /** Ends it at once. */
  async end(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#child.once('close', () => resolve()));
    if (!this.#child.kill('SIGKILL')) return;
    await ended;
  }

  /** Publishes an image with about `size` bytes, and waits until the server has it. */
  async publish(size: number): Promise<void> {
    await publishImage(size, this.dataDir);
  }

  /** The secret of a new token that may publish. */
  async publisher(name: string): Promise<string> {
    const made = await run(process.execPath, [
      ...[program, 'token', 'create', name, '--allow', 'publish', '--json', '--data-dir', this.dataDir],
    ]);
    return (JSON.parse(made) as { token: string }).token;
  }

  /** Resident memory, in MiB. */
  get memory(): number {
    return this.#memory('VmRSS');
  }

  /** The most resident memory that it has had, in MiB. */
  get peakMemory(): number {
    return this.#memory('VmHWM');
  }

  /** How many files and sockets it has open. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.#child.pid}/fd`).length;
  }

  /** Opens a connection, from an address of the loopback network; errors only close it. */
  async connect(options: { plain?: boolean; from?: string } = {}): Promise<Socket> {
    const { plain = false, from } = options;
    const to = {
      port: this.port,
      host: '127.0.0.1',
      ...(from === undefined ? {} : { localAddress: from }),
    };
    const socket = plain ? connect(to) : connectTls({ ...to, rejectUnauthorized: false });
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => undefined).pause();
    await new Promise<void>((resolve) => {
      socket.once(plain ? 'connect' : 'secureConnect', resolve).once('close', () => resolve());
    });
    return socket;
  }

  /** Asks for a path over a new connection; 0 as the status means that there was no answer. */
  async request(
    path: string,
    options: { from?: string; headers?: Record<string, string>; method?: string; body?: Buffer } = {},
  ): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }> {
    return await new Promise((resolve) => {
      const none = () => resolve({ status: 0, headers: {}, body: '' });
      request(
        {
          method: options.method ?? 'GET',
          host: '127.0.0.1',
          port: this.port,
          path,
          rejectUnauthorized: false,
          agent: false,
          headers: options.headers ?? {},
          ...(options.from === undefined ? {} : { localAddress: options.from }),
        },
        (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (text: string) => {
            body += text;
          });
          response
            .once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
            .once('error', none);
        },
      )
        .once('error', none)
        .end(options.body);
    });
  }

  #memory(field: string): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024;
  }

  /** The value of a metric with these labels, such as `headwater_refused_total{limit="requests"}`. */
  async metric(name: string, from?: string): Promise<number> {
    const { body } = await this.request('/metrics', from === undefined ? {} : { from });
    const line = body.split('\n').find((each) => each.startsWith(`${name} `));
    return Number(line?.slice(name.length + 1) ?? 0);
  }
}

/** The program takes every such variable for a setting. */
function withoutSettings(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEADWATER_')));
}
