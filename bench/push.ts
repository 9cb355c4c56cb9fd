import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { program } from '../test/e2e/headwater.ts';
import { attempt, run } from '../test/support/command.ts';
import { BenchServer } from './bench-server.ts';
import { benchDirectory, type SplitImage, splitImage } from './fixtures.ts';
import { compare, type Line, print } from './measure.ts';

const daemons = fileURLToPath(new URL('../test/support/daemons.sh', import.meta.url));
const ports = { headwater: 18463, peer: 18464, nginx: 18465 };
const rounds = { push: 5, launch: 9 };

/** An LXD of its own with its client. Its directory is short: there are sockets in it. */
class Host {
  readonly directory: string;

  constructor(name: string) {
    this.directory = `/tmp/hw-bench-${name}`;
  }

  get certificate(): string {
    return join(this.directory, 'server.crt');
  }

  get key(): string {
    return join(this.directory, 'server.key');
  }

  async up(): Promise<void> {
    await run(daemons, ['up', this.directory]);
  }

  async down(): Promise<void> {
    await run(daemons, ['down', this.directory]);
  }

  /** Removes every instance and image, and every index that was remembered. Remotes go, too. */
  async empty(): Promise<void> {
    await run(daemons, ['empty', this.directory]);
  }

  async lxc(...args: string[]): Promise<string> {
    return await run('lxc', args, { env: this.#environment() });
  }

  /** @returns seconds */
  async time(...args: string[]): Promise<number> {
    const started = performance.now();
    await this.lxc(...args);
    return (performance.now() - started) / 1000;
  }

  /** Forgets the indexes and images that a launch leaves. */
  async forget(): Promise<void> {
    await attempt('lxc', ['delete', '--force', 'bench'], { env: this.#environment() });
    const images = (await this.lxc('image', 'list', 'local:', '--format', 'csv', '--columns', 'f')).split(
      '\n',
    );
    for (const image of images.filter((name) => name !== '')) await this.lxc('image', 'delete', image);
    await run('sh', ['-c', `rm -rf ${this.directory}/lxd/cache/*`]);
  }

  #environment(): Record<string, string> {
    return {
      HOME: join(this.directory, 'home'),
      LXD_DIR: join(this.directory, 'lxd'),
      SSL_CERT_FILE: this.certificate,
    };
  }
}

/** What clients of LXD push and launch, against another LXD and against nginx. */
export async function benchPush(): Promise<void> {
  const [host, peer] = [new Host('1'), new Host('2')];
  const data = join(benchDirectory, 'data-push');
  await rm(data, { recursive: true, force: true });
  await host.up();
  await peer.up();
  const server = await BenchServer.start(
    data,
    [`tls.certificate=${host.certificate}`, `tls.key=${host.key}`],
    ports.headwater,
  );
  try {
    await peer.lxc('config', 'set', 'core.https_address', `127.0.0.1:${ports.peer}`);
    await peer.lxc('config', 'set', 'core.trust_password', 'bench');
    print('What stock clients of LXD do, against another LXD and against nginx', [
      await push(host, peer, data),
      ...(await launch(host, server, data)),
    ]);
  } finally {
    await server.stop();
    await attempt('nginx', ['-p', data, '-c', join(data, 'nginx.conf'), '-s', 'stop']);
    await host.down();
    await peer.down();
    await rm(data, { recursive: true, force: true });
  }
}

async function headwater(data: string, ...args: string[]): Promise<string> {
  return await run(process.execPath, [program, ...args, '--data-dir', data]);
}

async function push(host: Host, peer: Host, data: string): Promise<Line> {
  const image = await splitImage(1024);
  await host.lxc('image', 'import', image.metadata, image.root, '--alias', 'big');
  const secret =
    (await headwater(data, 'token', 'create', 'bench', '--join')).trim().split('\n').at(-1) ?? '';
  const addresses = (port: number) => [`https://127.0.0.1:${port}`, '--accept-certificate'];
  await host.lxc('remote', 'add', 'ours', ...addresses(ports.headwater), '--password', secret);
  await host.lxc('remote', 'add', 'peer', ...addresses(ports.peer), '--password', 'bench');
  const samples: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
  for (let round = 0; round < rounds.push; round++) {
    samples.theirs.push(await host.time('image', 'copy', 'big', 'peer:', '--mode', 'push', '--alias', 'app'));
    await host.lxc('image', 'delete', 'peer:app');
    samples.ours.push(await host.time('image', 'copy', 'big', 'ours:', '--mode', 'push', '--alias', 'app'));
    await host.lxc('image', 'delete', 'ours:app');
  }
  await host.lxc('image', 'delete', 'big');
  await peer.empty();
  return compare('image copy --mode push of 1 GiB, against LXD', 's', samples, { most: 1.0 });
}

async function launch(host: Host, server: BenchServer, data: string): Promise<Line[]> {
  const image = await splitImage(95);
  await headwater(data, 'publish', image.metadata, image.root);
  await startNginx(host, server, data, image);
  const simplestreams = ['--protocol', 'simplestreams', '--public'];
  await host.lxc('remote', 'add', 'streams', server.url, ...simplestreams);
  await host.lxc('remote', 'add', 'nginx', `https://127.0.0.1:${ports.nginx}`, ...simplestreams);
  const copies = await alternately(host, (remote) => ['image', 'copy', `${remote}:bench/r1`, 'local:']);
  const inits = await alternately(host, (remote) => ['init', `${remote}:bench/r1`, 'bench']);
  return [...againstNginx('image copy of 100 MB to local', copies), ...againstNginx('init of 100 MB', inits)];
}

const remotes = ['nginx', 'streams', 'ours'] as const;
type Seconds = Record<(typeof remotes)[number], number[]>;

/** Times a command with each remote. Another one goes first in each round, so that none always meets warm caches. */
async function alternately(host: Host, command: (remote: string) => string[]): Promise<Seconds> {
  const seconds: Seconds = { nginx: [], streams: [], ours: [] };
  for (let round = 0; round < rounds.launch; round++) {
    const first = round % remotes.length;
    for (const remote of [...remotes.slice(first), ...remotes.slice(0, first)]) {
      await host.forget();
      seconds[remote].push(await host.time(...command(remote)));
    }
  }
  return seconds;
}

function againstNginx(what: string, { streams, ours, nginx }: Seconds): Line[] {
  const most = { most: 1.0 };
  return [
    compare(`${what} over simplestreams, against nginx`, 's', { ours: streams, theirs: nginx }, most),
    compare(`${what} over the LXD protocol, against nginx`, 's', { ours, theirs: nginx }, most),
  ];
}

/** The same documents and files, from nginx. */
async function startNginx(host: Host, server: BenchServer, data: string, image: SplitImage): Promise<void> {
  const root = join(data, 'www');
  const version = 'images/bench/r1/amd64/default/20260101_0000';
  await mkdir(join(root, 'streams/v1'), { recursive: true });
  await mkdir(join(root, version), { recursive: true });
  await run('cp', [image.root, join(root, version, 'rootfs.squashfs')]);
  for (const name of ['lxd.tar.xz', 'incus.tar.xz'])
    await run('cp', [image.metadata, join(root, version, name)]);
  for (const name of ['index', 'images']) {
    const path = `streams/v1/${name}.json`;
    await writeFile(join(root, path), await server.get(`/${path}`));
  }
  await writeFile(
    join(data, 'nginx.conf'),
    `worker_processes 1; user root; pid ${data}/nginx.pid; error_log ${data}/nginx-error.log;
    events { worker_connections 1024; }
    http {
      access_log ${data}/nginx-access.log; sendfile on; tcp_nopush on; default_type application/json;
      server {
        listen 127.0.0.1:${ports.nginx} ssl; ssl_certificate ${host.certificate}; ssl_certificate_key ${host.key};
        ssl_protocols TLSv1.3; root ${root};
      }
    }`,
  );
  await run('nginx', ['-p', data, '-c', join(data, 'nginx.conf')]);
}
