import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestUpstream } from '../mirror/test-upstream.ts';
import { Client } from './client.ts';
import { Ledger } from './ledger.ts';
import type { PowerFailure } from './power-failure.ts';
import { Running } from './processes.ts';
import type { Random } from './random.ts';

/** What trials count. */
export class Tally {
  kills = 0;
  /** Operations that were acknowledged, refused, or never answered. */
  acknowledged = 0;
  refused = 0;
  unanswered = 0;
}

export interface SiteOptions {
  /** Where everything is made; a new directory in the system's for temporary files when left out. */
  directory?: string;
  /** Where the data directory is, when that is not in the site's directory. */
  dataDir?: string;
  settings?: Record<string, unknown>;
  env?: Record<string, string>;
  /** Is done before anything is started. */
  begin?: (site: Site) => Promise<void>;
}

/** A Headwater under trial: its directory, its server, an upstream, and what must be found in it. */
export class Site {
  readonly directory: string;
  readonly dataDir: string;
  readonly upstream: TestUpstream;
  readonly ledger = new Ledger();
  readonly tally = new Tally();
  /** What went wrong without anything being lost yet, such as a defect that a command reports. */
  readonly problems: string[] = [];
  /** For every process that is started. */
  env: Record<string, string>;
  server: Running | undefined;
  /** Whether commands are killed, too, each at a moment of its own. */
  killCommands = true;
  /** What watches over the data directory, where it may lose its power. */
  power: PowerFailure | undefined;
  /** Nothing may be started. */
  #isDown = false;
  /** Commands that run, and those of them that talk to the server. */
  readonly commands = new Set<Running>();
  readonly #remoteCommands = new Set<Running>();
  readonly options: SiteOptions;
  readonly #settings: Record<string, unknown>;
  readonly #stopUpstream: () => Promise<void>;
  #client: Client | undefined;
  #token = '';

  private constructor(
    directory: string,
    upstream: { upstream: TestUpstream; stop: () => Promise<void> },
    options: SiteOptions,
  ) {
    this.directory = directory;
    // In a directory of its own: what is made there, the data directory itself too, may be lost.
    this.dataDir = options.dataDir ?? join(directory, 'volume/data');
    this.upstream = upstream.upstream;
    this.#stopUpstream = upstream.stop;
    this.env = options.env ?? {};
    this.options = options;
    this.#settings = options.settings ?? {};
  }

  /** Makes one, with a token and a mirror, but starts no server. */
  static async create(random: Random, options: SiteOptions = {}): Promise<Site> {
    const directory = await realpath(
      options.directory ?? (await mkdtemp(join(tmpdir(), 'headwater-torture-'))),
    );
    const site = new Site(directory, await TestUpstream.listen(), options);
    site.upstream.pace = random.pick([undefined, 200]);
    await site.offer(random);
    for (const name of ['mirrors', 'volume']) await mkdir(join(directory, name), { recursive: true });
    const mirror = {
      url: site.upstream.url,
      unsigned: true,
      stream: 'mirrored',
      concurrency: 2,
      keep: { versions: 1000 },
    };
    await writeFile(join(directory, 'mirrors/upstream.yaml'), JSON.stringify(mirror));
    await site.configure({});
    await options.begin?.(site);
    const created = site.command(['token', 'create', 'trials', '--allow', 'read,publish,remove,admin']);
    const { code, stdout, stderr } = await created.ended;
    if (code !== 0) throw new Error(`no token: ${stderr}`);
    site.#token = stdout.trim();
    return site;
  }

  /** Writes the configuration, which counts from the next start on. */
  async configure(settings: Record<string, unknown>, file = 'headwater.yaml'): Promise<void> {
    const all = {
      dataDir: this.dataDir,
      mirrorDir: join(this.directory, 'mirrors'),
      listen: { address: '127.0.0.1', port: 0 },
      gracePeriod: '2s',
      shutdownTimeout: '1s',
      log: { level: 'warn', format: 'json' },
      ...this.#settings,
      ...settings,
    };
    await writeFile(join(this.directory, file), JSON.stringify(all));
  }

  /** The upstream offers one more image. */
  async offer(random: Random): Promise<void> {
    const number = Object.values(this.upstream.products).reduce(
      (sum, { versions }) => sum + Object.keys(versions).length,
      0,
    );
    const serial = `20260201_${String(Math.floor(number / 60)).padStart(2, '0')}${String(number % 60).padStart(2, '0')}`;
    const size = random.pick([2000, 60_000]);
    await this.upstream.offer(`debian:${random.pick(['sid', 'trixie'])}:amd64:default`, serial, { size });
  }

  /** Starts a command on the data directory, or with options of the command itself on a server. */
  command(args: readonly string[], options: { remote?: boolean } = {}): Running {
    if (this.#isDown) throw new Error('there is no power');
    const target =
      options.remote === true
        ? ['--server', this.client.url, '--token', this.#token, '--ca', join(this.dataDir, 'tls/server.crt')]
        : ['--config', join(this.directory, 'headwater.yaml')];
    const running = new Running([...args, ...target], { cwd: this.directory, env: this.env });
    this.commands.add(running);
    if (options.remote === true) this.#remoteCommands.add(running);
    void running.ended.finally(() => {
      this.commands.delete(running);
      this.#remoteCommands.delete(running);
    });
    return running;
  }

  /** Starts the server and waits until it answers. @throws Error with its log when it does not start */
  async start(): Promise<void> {
    this.#isDown = false;
    const server = this.launch();
    this.server = server;
    const { port } = JSON.parse(await server.firstLine()) as { port: number };
    this.#client = new Client(port, this.#token);
  }

  /** Another server, with the same configuration or another one. */
  launch(file = 'headwater.yaml'): Running {
    return new Running(['serve', '--json', '--config', join(this.directory, file)], {
      cwd: this.directory,
      env: this.env,
    });
  }

  get token(): string {
    return this.#token;
  }

  /** Resolves when no command runs any more. */
  async commandsEnded(): Promise<void> {
    await Promise.all([...this.commands].map(({ ended }) => ended));
    this.ledger.settle();
  }

  get client(): Client {
    if (this.#client === undefined) throw new Error('the server was not started');
    return this.#client;
  }

  /** Kills the server. */
  async kill(): Promise<void> {
    if (this.server?.kill() === true) this.tally.kills++;
    await this.#serverEnded();
  }

  /** Kills the commands that would try for most of a minute to reach a server that is no more. */
  killRemoteCommands(): void {
    for (const running of this.#remoteCommands) if (running.kill()) this.tally.kills++;
  }

  /** Kills every process at once. */
  async killAll(): Promise<void> {
    this.#isDown = true;
    const all = [...this.commands, ...(this.server === undefined ? [] : [this.server])];
    for (const process of all) if (process.killGroup()) this.tally.kills++;
    await Promise.all(all.map(({ ended }) => ended));
    await this.#serverEnded();
  }

  /** Lets the server end by itself. */
  async stop(): Promise<void> {
    await this.server?.stop();
    await this.#serverEnded();
  }

  async #serverEnded(): Promise<void> {
    await this.server?.ended;
    this.server = undefined;
    await this.#client?.close();
  }

  /** Ends what runs. @param options.keep leave the files for somebody to look at */
  async remove(options: { keep: boolean }): Promise<void> {
    for (const running of [...this.commands, ...(this.server === undefined ? [] : [this.server])]) {
      running.killGroup();
      await running.ended;
    }
    await this.#client?.close();
    await this.#stopUpstream();
    if (!options.keep) await rm(this.directory, { recursive: true, force: true });
  }
}
