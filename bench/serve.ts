import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Agent, request } from 'undici';
import { program } from '../test/e2e/headwater.ts';
import { run } from '../test/support/command.ts';
import { BenchServer } from './bench-server.ts';
import { benchDirectory, splitImage } from './fixtures.ts';
import { alternate, compare, print } from './measure.ts';
import { seedCatalog } from './seed-catalog.ts';

const directory = join(benchDirectory, 'serve');
const ports = { nginxTls: 18444, nginxPlain: 18445 };
const document = 'streams/v1/images.json';

/** Serving, against nginx with the same files and the same certificate. */
export async function benchServe(): Promise<void> {
  const data = join(directory, 'data');
  await rm(directory, { recursive: true, force: true });
  await mkdir(data, { recursive: true });
  const image = await splitImage(1024);
  await seedCatalog(join(data, 'catalog.db'), 200);
  await run(process.execPath, [program, 'publish', image.metadata, image.root, '--data-dir', data]);
  const server = await BenchServer.start(data);
  try {
    const file = 'images/bench/r1/amd64/default/20260101_0000/rootfs.squashfs';
    await startNginx(data, file, image.root, await gzipped(server));
    const plain = server.url.replace('https:', 'http:');
    const lines = [
      compare(
        '1 GiB over plain HTTP',
        'GB/s',
        await download(`${plain}/${file}`, `http://127.0.0.1:${ports.nginxPlain}/${file}`),
        { least: 0.9 },
      ),
      compare(
        '1 GiB over TLS 1.3',
        'GB/s',
        await download(`${server.url}/${file}`, `https://127.0.0.1:${ports.nginxTls}/${file}`),
        { least: 0.9 },
      ),
      compare('gzipped document, 64 kept TLS connections', 'requests/s', await hammer(server, []), {
        least: 0.5,
      }),
      compare(
        'gzipped document, a new TLS connection for each',
        'requests/s',
        await hammer(server, ['-H', 'Connection: close']),
        { least: 0.6 },
      ),
    ];
    print('Serving, against nginx (one worker, sendfile, gzip_static)', lines);
  } finally {
    await server.stop();
    await run('nginx', ['-p', directory, '-c', 'nginx.conf', '-s', 'stop']);
    await rm(directory, { recursive: true, force: true });
  }
}

async function startNginx(data: string, file: string, source: string, gzip: Buffer): Promise<void> {
  const root = join(directory, 'www');
  await mkdir(join(root, 'streams/v1'), { recursive: true });
  await mkdir(join(root, file, '..'), { recursive: true });
  await run('cp', [source, join(root, file)]);
  await writeFile(join(root, document), gunzipSync(gzip));
  await writeFile(join(root, `${document}.gz`), gzip);
  await writeFile(
    join(directory, 'nginx.conf'),
    `worker_processes 1; user root; pid ${directory}/nginx.pid; error_log ${directory}/error.log;
    events { worker_connections 1024; }
    http {
      access_log ${directory}/access.log; sendfile on; tcp_nopush on; gzip_static on; default_type application/json;
      server {
        listen 127.0.0.1:${ports.nginxTls} ssl; listen 127.0.0.1:${ports.nginxPlain};
        ssl_certificate ${data}/tls/server.crt; ssl_certificate_key ${data}/tls/server.key; ssl_protocols TLSv1.3;
        keepalive_requests 1000000; root ${root};
      }
    }`,
  );
  await run('nginx', ['-p', directory, '-c', 'nginx.conf']);
}

async function gzipped(server: BenchServer): Promise<Buffer> {
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
  const { body } = await request(`${server.url}/${document}`, {
    dispatcher,
    headers: { 'accept-encoding': 'gzip' },
  });
  const bytes = Buffer.from(await body.arrayBuffer());
  await dispatcher.close();
  return bytes;
}

async function download(ours: string, theirs: string): Promise<{ ours: number[]; theirs: number[] }> {
  const fetch = async (url: string) => {
    const stdout = await run('curl', ['-sk', '-o', '/dev/null', '-w', '%{speed_download}', url]);
    return Number(stdout) / 1e9;
  };
  return await alternate(
    7,
    () => fetch(ours),
    () => fetch(theirs),
  );
}

async function hammer(server: BenchServer, extra: string[]): Promise<{ ours: number[]; theirs: number[] }> {
  const wrk = async (url: string) => {
    const stdout = await run('wrk', ['-t1', '-c64', '-d4s', '-H', 'Accept-Encoding: gzip', ...extra, url]);
    if (stdout.includes('Non-2xx')) throw new Error(stdout);
    return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
  };
  const ours = () => wrk(`${server.url}/${document}`);
  const theirs = () => wrk(`https://127.0.0.1:${ports.nginxTls}/${document}`);
  // A server that runs for months is measured warm.
  await ours();
  return await alternate(5, ours, theirs);
}
