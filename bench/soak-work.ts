import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { generate } from 'selfsigned';
import { Agent } from 'undici';
import { codeOf } from '../src/errors.ts';
import { program } from '../test/e2e/headwater.ts';
import { attempt, run } from '../test/support/command.ts';

/** What the work of a soak needs to know. */
export interface SoakTarget {
  url: string;
  data: string;
  directory: string;
  /** Secret of a token that may do everything. */
  token: string;
  signal: AbortSignal;
  /** Counts requests whose connection broke: on a busy machine the server cuts off clients that look too slow. */
  broken: { count: number };
}

/** What each of many downloads at once asks for: more than the buffers of the system hold. */
const burstRange = 'bytes=0-16777215';
/** What connections fail with that were cut off. */
const connectionCodes = /^(ECONNRESET|EPIPE|UND_ERR_(SOCKET|HEADERS_TIMEOUT|BODY_TIMEOUT|CONNECT_TIMEOUT))$/;
/** Handshakes that are made at the same time. */
const handshakes = 50;

/** Does something again and again until the soak ends, and counts it. A failure ends the soak, unless a connection broke. */
export async function repeat(
  target: SoakTarget,
  pause: number,
  work: (round: number) => Promise<void>,
): Promise<number> {
  let done = 0;
  while (!target.signal.aborted) {
    try {
      await work(done);
      done++;
    } catch (error) {
      if (!connectionCodes.test(codeOf(error) ?? '')) throw error;
      target.broken.count++;
    }
    await sleep(pause, undefined, { signal: target.signal }).catch(() => undefined);
  }
  return done;
}

/** Runs a command of Headwater against the server, again when it could not reach it in the midst of 1,000 handshakes. */
async function headwater(target: SoakTarget, ...args: string[]): Promise<string> {
  for (let attempts = 1; ; attempts++) {
    const all = [program, ...args, '--server', target.url, '--insecure'];
    const result = await attempt(process.execPath, all, { env: { HEADWATER_TOKEN: target.token } });
    if (result.code === 0) return result.stdout;
    // On a busy machine an upload may wait for longer than the grace period of the soak, and is collected then.
    const isCollected = result.code === 4 && result.stderr.includes('upload it first');
    const isLater = (result.code === 7 || isCollected) && attempts < 10;
    if (!isLater)
      throw new Error(`headwater ${args.join(' ')}: exit code ${result.code}
${result.stderr}`);
    await sleep(1000);
  }
}

/** Publishes root tarballs of several compressions, of 8 MiB, each with the next serial, and removes those before. */
export async function publishAndRemove(target: SoakTarget, round: number): Promise<void> {
  const compressions = ['gzip -1', 'xz -0', 'zstd -1 -q', 'bzip2 -1'];
  const directory = await mkdtemp(join(target.directory, 'publish-'));
  try {
    const release = `r${round % 4}`;
    const [metadata, root] = [join(directory, 'lxd.tar.gz'), join(directory, 'root.tar')];
    await writeFile(join(directory, 'metadata.yaml'), metadataYaml(release));
    await run('tar', ['-C', directory, '-czf', metadata, 'metadata.yaml']);
    for (const folder of ['bin', 'etc', 'usr'])
      await mkdir(join(directory, 'root', folder), { recursive: true });
    await writeFile(join(directory, 'root/usr/noise'), randomBytes(8 * 1024 * 1024));
    const packed = ['-C', join(directory, 'root'), '-I', compressions[round % 4] ?? '', '-cf', root, '.'];
    await run('tar', packed);
    const serial = serialOf(round);
    await headwater(target, 'publish', metadata, root, '--serial', serial);
    if (round >= 4) await headwater(target, 'remove', `soak:${release}:amd64:default@${serialOf(round - 4)}`);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Has the mirror bring everything, then removes what it brought, so that the next run has work. */
export async function mirrorAndRemove(target: SoakTarget): Promise<void> {
  await headwater(target, 'mirror', 'run', 'bench');
  const listed = JSON.parse(await headwater(target, 'list', '--json')) as unknown;
  const products = new Set(JSON.stringify(listed).match(/bench:r\d+:amd64:default/g) ?? []);
  for (const product of products) await headwater(target, 'remove', product, '--all-versions');
}

/** A client of LXD that pushes. */
export class SoakPusher {
  readonly #target: SoakTarget;
  readonly #agent: Agent;

  private constructor(target: SoakTarget, agent: Agent) {
    this.#target = target;
    this.#agent = agent;
  }

  static async join(target: SoakTarget): Promise<SoakPusher> {
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'soak' }], {
      keyType: 'ec',
      curve: 'P-256',
      algorithm: 'sha256',
    });
    const agent = new Agent({ connect: { cert, key, rejectUnauthorized: false } });
    const pusher = new SoakPusher(target, agent);
    const args = [program, 'token', 'create', 'soak', '--join', '--json', '--data-dir', target.data];
    const joinToken = await run(process.execPath, args);
    const { secret } = JSON.parse(Buffer.from(tokenIn(joinToken), 'base64').toString()) as { secret: string };
    await pusher.#request(
      'POST',
      '/1.0/certificates',
      JSON.stringify({ type: 'client', trust_token: secret }),
    );
    return pusher;
  }

  /** Pushes an image of 8 MiB to one of three aliases; each third is removed again. */
  async push(round: number): Promise<void> {
    const directory = await mkdtemp(join(this.#target.directory, 'push-'));
    try {
      await writeFile(join(directory, 'metadata.yaml'), metadataYaml('pushed'));
      for (const folder of ['rootfs/bin', 'rootfs/etc', 'templates'])
        await mkdir(join(directory, folder), { recursive: true });
      await writeFile(join(directory, 'rootfs/bin/noise'), randomBytes(8 * 1024 * 1024));
      const image = join(directory, 'image.tar.gz');
      await run('tar', [
        '-C',
        directory,
        '-I',
        'gzip -1',
        '-cf',
        image,
        'metadata.yaml',
        'rootfs',
        'templates',
      ]);
      const answer = await this.#request('POST', '/1.0/images', await readFile(image), {
        'content-type': 'application/octet-stream',
        'x-lxd-aliases': `alias=soak${round % 3}`,
      });
      const { metadata } = await this.#request('GET', `${answer.operation}/wait?timeout=120`);
      const fingerprint = metadata.metadata?.fingerprint;
      if (fingerprint === undefined) throw new Error(`a push failed: ${JSON.stringify(metadata)}`);
      if (round % 3 === 2) {
        const removal = await this.#request('DELETE', `/1.0/images/${fingerprint}`);
        await this.#request('GET', `${removal.operation}/wait?timeout=120`);
      }
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #request(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: string | Buffer,
    headers: Record<string, string> = { 'content-type': 'application/json' },
  ): Promise<{ operation: string; metadata: { metadata?: { fingerprint?: string } } }> {
    const response = await this.#agent.request({
      origin: this.#target.url,
      method,
      path,
      headers,
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.body.text();
    if (response.statusCode >= 400) throw new Error(`${method} ${path}: ${response.statusCode} ${text}`);
    return JSON.parse(text) as { operation: string; metadata: { metadata?: { fingerprint?: string } } };
  }
}

/** Downloads a file once, from an address of the loopback network. */
export async function download(target: SoakTarget, path: string, from: string): Promise<void> {
  await readToEnd(target, await request(target, path, from));
}

/** @throws Error when the answer is not the file: a soak without downloads would prove nothing */
async function readToEnd(target: SoakTarget, socket: TLSSocket): Promise<void> {
  let head = '';
  socket.on('data', (chunk: Buffer) => {
    if (head.length < 12) head += chunk.toString('latin1', 0, 12);
  });
  socket.resume();
  await closed(socket);
  if (head === '' || socket.errored !== null) target.broken.count++;
  if (head !== '' && !/^HTTP\/1\.1 20[06]/.test(head))
    throw new Error(`a download was answered with ${head}`);
}

/** Makes metadata for an image that nothing else of a soak removes. @returns its file */
export async function downloadMetadata(directory: string): Promise<string> {
  const file = join(directory, 'download.tar.gz');
  await writeFile(join(directory, 'metadata.yaml'), metadataYaml('r1', 'download'));
  await run('tar', ['-C', directory, '-czf', file, 'metadata.yaml']);
  return file;
}

/**
 * Begins many downloads at the same moment and lets them stand; then half of the clients read to the end, and half hang up.
 */
export async function burst(
  target: SoakTarget,
  path: string,
  count: number,
  standing: number,
): Promise<void> {
  const sockets: TLSSocket[] = [];
  while (sockets.length < count) {
    const first = sockets.length;
    const several = Array.from({ length: Math.min(handshakes, count - first) }, (_, index) =>
      request(target, path, `127.0.1.${1 + ((first + index) % 4)}`, burstRange),
    );
    sockets.push(...(await Promise.all(several)));
  }
  await sleep(standing, undefined, { signal: target.signal }).catch(() => undefined);
  await Promise.all(
    sockets.map(async (socket, index) => {
      if (index % 2 === 0) socket.destroy();
      else await readToEnd(target, socket);
    }),
  );
}

/** A connection that has asked for a file and reads nothing yet. */
async function request(
  target: SoakTarget,
  path: string,
  from: string,
  range = 'bytes=0-',
): Promise<TLSSocket> {
  const port = Number(new URL(target.url).port);
  const options = { host: '127.0.0.1', port, localAddress: from, rejectUnauthorized: false };
  const socket = connectTls(options);
  socket.pause();
  socket.on('error', () => undefined);
  socket.once('secureConnect', () => {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: soak\r\nConnection: close\r\nRange: ${range}\r\n\r\n`);
  });
  const connected = new Promise((resolve) => socket.once('secureConnect', resolve));
  await Promise.race([connected, closed(socket)]);
  return socket;
}

/** Resolves when a connection is closed, also when it broke: `once` of Node.js would reject then. */
async function closed(socket: TLSSocket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}

function metadataYaml(release: string, os = 'soak'): string {
  const noise = randomBytes(8).toString('hex');
  return (
    `architecture: amd64\ncreation_date: 1767225600\n` +
    `properties: {os: ${os}, release: ${release}, variant: default, architecture: amd64, noise: ${noise}}\n`
  );
}

function serialOf(round: number): string {
  const time = new Date(Date.UTC(2026, 0, 1, 0, round)).toISOString();
  return `${time.slice(0, 10).replaceAll('-', '')}_${time.slice(11, 16).replace(':', '')}`;
}

/** The join token in what "token create" prints. */
function tokenIn(text: string): string {
  return /[A-Za-z0-9+/=_-]{80,}/.exec(text)?.[0] ?? '';
}
