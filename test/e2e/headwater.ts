import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Agent, fetch, type RequestInit, type Response } from 'undici';
import type { Published } from '../../src/publish/request.ts';
import { attempt, type CommandResult, run } from '../support/command.ts';

/** The built program: `npm run build` comes before these tests. */
export const program = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

// The program takes every such variable for a setting; only those that a test gives it shall count.
for (const name of Object.keys(process.env)) {
  if (name.startsWith('HEADWATER_')) delete process.env[name];
}

/** The products document, as far as tests look into it. */
export interface StreamDocument {
  products: Record<
    string,
    { aliases: string; versions: Record<string, { items: Record<string, DocumentItem> }> }
  >;
}

export interface DocumentItem {
  ftype: string;
  path: string;
  sha256: string;
  size: number;
  [key: string]: unknown;
}

/** One Headwater as its users meet it: a data directory, a configuration file and the program. */
export class Headwater {
  readonly directory: string;
  readonly port: number;
  /** With `tls: off` there is a proxy in front whose address only the test knows. */
  readonly url: string;
  readonly environment: Record<string, string>;
  #server: ChildProcess | undefined;
  #output = '';
  #lives = 0;
  #serving = false;
  #agent: Agent | undefined;

  private constructor(directory: string, port: number, secure: boolean, environment: Record<string, string>) {
    this.directory = directory;
    this.port = port;
    this.url = `${secure ? 'https' : 'http'}://127.0.0.1:${port}`;
    this.environment = { ...environment, HEADWATER_CONFIG: this.configFile };
  }

  /** Makes an empty directory and writes the configuration; nothing runs yet. */
  static async create(
    settings: Record<string, unknown> = {},
    environment: Record<string, string> = {},
  ): Promise<Headwater> {
    const directory = await mkdtemp(path.join(tmpdir(), 'headwater-e2e-'));
    const port = await freePort();
    const headwater = new Headwater(directory, port, settings['tls'] !== 'off', environment);
    // JSON is YAML too.
    const all = { dataDir: headwater.dataDirectory, listen: { address: '127.0.0.1', port }, ...settings };
    await writeFile(headwater.configFile, JSON.stringify(all, null, 2));
    return headwater;
  }

  get dataDirectory(): string {
    return path.join(this.directory, 'data');
  }

  get configFile(): string {
    return path.join(this.directory, 'headwater.yaml');
  }

  /** The certificate that the server makes for itself. */
  get ownCertificate(): string {
    return path.join(this.dataDirectory, 'tls/server.crt');
  }

  /** How often the server got ready. */
  get lives(): number {
    return this.#lives;
  }

  /** Whether the server got ready and nobody has ended it since. */
  get serving(): boolean {
    return this.#serving;
  }

  /** What the server wrote since it was started. */
  get output(): string {
    return this.#output;
  }

  /** Runs a command that must succeed and gives what it printed. */
  async cli(...args: string[]): Promise<string> {
    return await run(process.execPath, [program, ...args], { env: this.environment, cwd: this.directory });
  }

  /** Runs a command, whatever becomes of it. */
  async attempt(...args: string[]): Promise<CommandResult> {
    return await attempt(process.execPath, [program, ...args], {
      env: this.environment,
      cwd: this.directory,
    });
  }

  /** Runs a shell script, in which `headwater` is the program. */
  async shell(script: string): Promise<string> {
    return await run('sh', ['-e', '-c', script], {
      env: { ...this.environment, PATH: await pathWithProgram(this.directory) },
      cwd: this.directory,
    });
  }

  /** Publishes beside the running server and waits until it announces the version. */
  async publish(...args: string[]): Promise<Published> {
    const published = JSON.parse(await this.cli('publish', '--json', ...args)) as Published;
    const { product, serial, stream } = published;
    await until(`${product}@${serial} is announced`, async () => {
      return (await this.document(stream)).products[product]?.versions[serial] !== undefined;
    });
    return published;
  }

  /** Starts the server and waits until it is ready. */
  async start(certificate?: string): Promise<void> {
    this.#output = '';
    const server = spawn(process.execPath, [program, 'serve'], {
      cwd: this.directory,
      env: { ...process.env, ...this.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#server = server;
    for (const stream of [server.stdout, server.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    }
    await this.#ready(server, certificate ?? this.ownCertificate);
    this.#lives++;
    this.#serving = true;
  }

  /** Asks the server to end and waits for it. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Kills the server at once. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Ends the server and removes everything. */
  async remove(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Requests a path of the running server, trusting its certificate; redirects are not followed. */
  async fetch(target: string, init: RequestInit = {}): Promise<Response> {
    const dispatcher = this.#agent;
    return await fetch(new URL(target, this.url), {
      redirect: 'manual',
      ...init,
      ...(dispatcher === undefined ? {} : { dispatcher }),
    });
  }

  /** The products document of a public stream; while nothing is in the stream there is none. */
  async document(stream = 'images'): Promise<StreamDocument> {
    const response = await this.fetch(`/streams/v1/${stream}.json`);
    if (response.status === 404) {
      await response.body?.cancel();
      return { products: {} };
    }
    if (response.status !== 200) throw new Error(`${stream}.json: ${response.status}`);
    return (await response.json()) as StreamDocument;
  }

  async #ready(server: ChildProcess, certificate: string): Promise<void> {
    const deadline = Date.now() + 30_000;
    for (;;) {
      if (server.exitCode !== null || server.signalCode !== null || Date.now() > deadline) {
        throw new Error(`the server did not get ready:\n${this.#output}`);
      }
      if (this.url.startsWith('https:') && this.#agent === undefined) {
        const ca = await readFile(certificate, 'utf8').catch(() => undefined);
        this.#agent = ca === undefined ? undefined : new Agent({ connect: { ca } });
      }
      const answer = await this.fetch('/readyz').catch(() => undefined);
      await answer?.body?.cancel();
      if (answer?.status === 200) return;
      await sleep(50);
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#serving = false;
    if (server !== undefined && server.exitCode === null && server.signalCode === null) {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill(signal);
      await ended;
    }
    await this.#agent?.destroy();
    this.#agent = undefined;
  }
}

/** The search path of shells in which the program is called `headwater`. @param directory where it may be put */
export async function pathWithProgram(directory: string): Promise<string> {
  const folder = path.join(directory, 'bin');
  await mkdir(folder, { recursive: true });
  const text = `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`;
  await writeFile(path.join(folder, 'headwater'), text, { mode: 0o755 });
  return `${folder}${path.delimiter}${process.env['PATH'] ?? ''}`;
}

/** Waits for something that other processes bring about. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`30 s passed, but not yet: ${what}`);
    await sleep(20);
  }
}

/** A port of the loopback address that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}
