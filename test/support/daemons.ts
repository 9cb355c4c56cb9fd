import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { attempt, type CommandOptions, type CommandResult, run } from './command.ts';

// Sockets are made in it, whose paths may have 108 characters, and containers' users must be able to enter it.
const directory = '/tmp/headwater-e2e';
const script = fileURLToPath(new URL('./daemons.sh', import.meta.url));

/** What makes the clients, and whatever runs them, speak to the daemons of the tests and to no others. */
export const clientEnvironment = {
  HOME: path.join(directory, 'home'),
  LXD_DIR: path.join(directory, 'lxd'),
  INCUS_DIR: path.join(directory, 'incus'),
  SSL_CERT_FILE: path.join(directory, 'server.crt'),
};

/** A certificate for localhost, 127.0.0.1 and 127.0.0.2 that the daemons and their clients trust. */
export const trustedTls = {
  certificate: path.join(directory, 'server.crt'),
  key: path.join(directory, 'server.key'),
};

/** An image as `image list --format json` shows it. */
export interface ClientImage {
  fingerprint: string;
  type: string;
  architecture: string;
  /** Bytes. */
  size: number;
  aliases: { name: string }[];
  properties: Record<string, string>;
}

/** The stock client and its daemon, of one family. */
export class Client {
  readonly name: 'lxd' | 'incus';
  readonly #command: string;
  readonly #caches: string[];

  constructor(name: 'lxd' | 'incus') {
    this.name = name;
    this.#command = name === 'lxd' ? 'lxc' : 'incus';
    const { LXD_DIR, INCUS_DIR, HOME } = clientEnvironment;
    this.#caches =
      name === 'lxd'
        ? [path.join(LXD_DIR, 'cache')]
        : [path.join(INCUS_DIR, 'cache'), path.join(HOME, '.cache/incus')];
  }

  /** Where this client looks for the pinned certificate of a remote. */
  pin(remote: string): string {
    const settings = this.name === 'lxd' ? '.config/lxc' : '.config/incus';
    return path.join(clientEnvironment.HOME, settings, 'servercerts', `${remote}.crt`);
  }

  /** Runs the client, which must succeed, and gives what it printed. */
  async run(...args: string[]): Promise<string> {
    return await run(this.#command, args, this.#options());
  }

  /**
   * Runs a command in an instance and gives what it printed. The command stays a moment after its end: on a busy machine
   * daemons lose the output of one that is gone at once.
   */
  async inside(instance: string, ...command: string[]): Promise<string> {
    const lingering = ['sh', '-c', '"$@"; code=$?; sleep 0.5; exit $code', 'sh', ...command];
    return await this.run('exec', instance, '--', ...lingering);
  }

  /** Like `run`, with a file as its standard input. */
  async runWithInput(file: string, ...args: string[]): Promise<string> {
    return await run('sh', ['-c', 'exec "$@" < "$0"', file, this.#command, ...args], this.#options());
  }

  /** Runs the client, whatever becomes of it. */
  async attempt(...args: string[]): Promise<CommandResult> {
    return await attempt(this.#command, args, this.#options());
  }

  /** Adds a simplestreams remote, or moves it to another address. */
  async addRemote(name: string, url: string): Promise<void> {
    await this.attempt('remote', 'remove', name);
    await this.run('remote', 'add', name, url, '--protocol', 'simplestreams');
    await this.forgetIndex();
  }

  async images(remote: string): Promise<ClientImage[]> {
    return JSON.parse(await this.run('image', 'list', `${remote}:`, '--format', 'json')) as ClientImage[];
  }

  /** Removes what the daemon (for an hour) and the Incus client (for five minutes) remember of any index. */
  async forgetIndex(): Promise<void> {
    await Promise.all(this.#caches.map((cache) => emptied(cache)));
  }

  /** Removes what the client itself remembers; the daemon's index stays. */
  async forgetClientIndex(): Promise<void> {
    await Promise.all(this.#caches.slice(1).map((cache) => emptied(cache)));
  }

  #options(): CommandOptions {
    return { env: clientEnvironment, timeout: 180_000 };
  }
}

export const clients: readonly Client[] = [new Client('lxd'), new Client('incus')];

/** Starts LXD and Incus, or takes those that an earlier run left, and empties them. */
export async function startDaemons(): Promise<void> {
  await run(script, ['up', directory]);
}

/** Deletes every instance, image and remote that tests made, and every index that was kept. */
export async function emptyDaemons(): Promise<void> {
  await run(script, ['empty', directory]);
}

/** Stops both and removes everything of theirs. */
export async function stopDaemons(): Promise<void> {
  await run(script, ['down', directory]);
}

async function emptied(cache: string): Promise<void> {
  const entries = await readdir(cache).catch(() => []);
  await Promise.all(entries.map((entry) => rm(path.join(cache, entry), { recursive: true, force: true })));
}
