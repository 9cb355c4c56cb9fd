import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { attempt, type CommandResult, run } from '../support/command.ts';
import { freePort, pathWithProgram, program, until } from './headwater.ts';

const daemons = fileURLToPath(new URL('../support/daemons.sh', import.meta.url));

/**
 * A site without a network: a network namespace whose only interface is its own loopback, which is down until something is
 * served. It has a Headwater, an LXD and an Incus of its own.
 */
export class Inside {
  /** Sockets are made in it: its path is short. */
  readonly directory: string;
  readonly #space: string;
  readonly #port: number;
  #server: ChildProcess | undefined;

  private constructor(directory: string, port: number) {
    this.directory = directory;
    this.#space = path.basename(directory);
    this.#port = port;
  }

  /** @param settings of its Headwater */
  static async create(settings: Record<string, unknown>): Promise<Inside> {
    const inside = new Inside(await mkdtemp('/tmp/hw-in-'), await freePort());
    await run('ip', ['netns', 'add', inside.#space]);
    // Containers' users go through it.
    await run('chmod', ['711', inside.directory]);
    await mkdir(inside.at('site/mirrors'), { recursive: true });
    const { certificate, key } = { certificate: inside.at('server.crt'), key: inside.at('server.key') };
    const all = {
      ...{ dataDir: 'data', mirrorDir: 'mirrors', tls: { certificate, key } },
      listen: { address: '127.0.0.1', port: inside.#port },
      ...settings,
    };
    await writeFile(inside.at('site/headwater.yaml'), JSON.stringify(all, null, 2));
    return inside;
  }

  /** The address of its server, for its clients. */
  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  at(...names: string[]): string {
    return path.join(this.directory, ...names);
  }

  /** The network interfaces that are up. */
  async interfaces(): Promise<string[]> {
    const { stdout } = await this.#enter('ip', ['-json', 'link', 'show', 'up']);
    return (JSON.parse(stdout) as { ifname?: string }[]).flatMap(({ ifname }) => ifname ?? []);
  }

  /** Runs a command of its Headwater, whatever becomes of it. */
  async attempt(...args: string[]): Promise<CommandResult> {
    return await this.#enter(process.execPath, [program, ...args]);
  }

  /** Runs a command of its Headwater that must succeed. @returns what it printed */
  async headwater(...args: string[]): Promise<string> {
    return succeeded(`headwater ${args.join(' ')}`, await this.attempt(...args));
  }

  /** Runs a shell script in the site's directory. */
  async shell(script: string, environment: Record<string, string> = {}): Promise<CommandResult> {
    const PATH = await pathWithProgram(this.directory);
    return await this.#enter('sh', ['-e', '-c', script], { PATH, ...environment });
  }

  /** Starts LXD and Incus. */
  async startDaemons(): Promise<void> {
    await this.#loopback('up');
    succeeded('daemons.sh', await this.#enter(daemons, ['up', this.directory]));
  }

  /** Starts the server, and waits until it is ready. */
  async serve(): Promise<void> {
    await this.#loopback('up');
    const server = spawn('nsenter', [...this.#net, process.execPath, program, 'serve'], {
      cwd: this.at('site'),
      env: { ...process.env, ...this.#environment },
      stdio: 'ignore',
    });
    this.#server = server;
    await until('the server of the site is ready', async () => {
      if (server.exitCode !== null) throw new Error(`the server ended: ${server.exitCode}`);
      return (await this.attempt('health')).code === 0;
    });
  }

  /** Ends the server; the loopback goes down with it. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined && server.exitCode === null) {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGTERM');
      await ended;
    }
    await this.#loopback('down');
  }

  /** Runs a stock client, which must succeed. @returns what it printed */
  async client(name: 'lxc' | 'incus', ...args: string[]): Promise<string> {
    return succeeded(`${name} ${args.join(' ')}`, await this.#enter(name, args));
  }

  /** Ends and removes everything. */
  async remove(): Promise<void> {
    await this.stop();
    await this.#enter(daemons, ['down', this.directory]);
    await attempt('ip', ['netns', 'del', this.#space]);
    await rm(this.directory, { recursive: true, force: true });
  }

  get #net(): string[] {
    return [`--net=/run/netns/${this.#space}`];
  }

  get #environment(): Record<string, string> {
    return {
      HOME: this.at('home'),
      LXD_DIR: this.at('lxd'),
      INCUS_DIR: this.at('incus'),
      SSL_CERT_FILE: this.at('server.crt'),
    };
  }

  async #loopback(state: 'up' | 'down'): Promise<void> {
    await run('ip', ['-n', this.#space, 'link', 'set', 'lo', state]);
  }

  async #enter(
    command: string,
    args: readonly string[],
    environment: Record<string, string> = {},
  ): Promise<CommandResult> {
    return await attempt('nsenter', [...this.#net, command, ...args], {
      cwd: this.at('site'),
      env: { ...this.#environment, ...environment },
    });
  }
}

function succeeded(what: string, { code, stdout, stderr }: CommandResult): string {
  if (code === 0) return stdout;
  throw new Error(`${what}: exit code ${code}\n${stdout}${stderr}`);
}
