import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { headwater, RunningHeadwater } from '../../command-line.ts';

let directory: string;
const running: RunningHeadwater[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-join-'));
});
afterEach(async () => {
  for (const server of running.splice(0)) await server.end('SIGKILL');
  await rm(directory, { recursive: true });
});

/** Starts a server on a free port. */
async function serve(...args: string[]): Promise<{ server: RunningHeadwater; port: number }> {
  const server = new RunningHeadwater(['serve', '--json', '--set', 'listen.port=0', ...args], {
    cwd: directory,
  });
  running.push(server);
  await server.until(() => server.stdout.includes('\n'));
  return { server, port: (JSON.parse(server.stdout) as { port: number }).port };
}

async function create(name: string, ...args: string[]) {
  const { code, stdout, stderr } = await headwater(['token', 'create', name, '--join', ...args], {
    cwd: directory,
  });
  const token = JSON.parse(Buffer.from(stdout.trim(), 'base64').toString() || '{}') as {
    addresses?: string[];
    fingerprint?: string;
  };
  return { code, stderr, ...token };
}

test('a join token contains the port that the running server listens on', async () => {
  const { port } = await serve('--set', 'listen.address=127.0.0.1');
  const { code, addresses, stderr } = await create('laptop');
  expect({ code, addresses }).toEqual({ code: 0, addresses: [`127.0.0.1:${port}`] });
  expect(stderr).not.toContain('warning');
});

test('a join token contains the public address that the running server was given', async () => {
  await serve('--set', 'publicUrl=https://images.example.com');
  expect((await create('laptop')).addresses).toEqual(['images.example.com:443']);
});

test('a join token contains the addresses of all running servers, the newest first', async () => {
  const first = await serve('--set', 'listen.address=127.0.0.1');
  const second = await serve('--set', 'listen.address=127.0.0.1');
  const all = (await create('one')).addresses;
  expect(all).toEqual([`127.0.0.1:${second.port}`, `127.0.0.1:${first.port}`]);
  await second.server.end('SIGTERM');
  expect((await create('two')).addresses).toEqual([`127.0.0.1:${first.port}`]);
});

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'where the server has ended by %s, the configuration counts, and a warning says so',
  async (signal) => {
    const { server } = await serve('--set', 'listen.address=127.0.0.1');
    await server.end(signal);
    const { code, addresses, stderr } = await create('laptop');
    expect(code).toBe(0);
    expect(addresses?.every((address) => address.endsWith(':8443'))).toBe(true);
    expect(stderr).toContain(`no server runs on ${join(directory, 'data')}`);
    expect(stderr).toContain('start the server with the same settings');
  },
);

test('the next server removes the files of a killed one', async () => {
  await (await serve()).server.end('SIGKILL');
  await serve();
  expect(await readdir(join(directory, 'data/servers'))).toHaveLength(1);
});

test('without a server and with a port that the system chooses, there is no join token', async () => {
  const env = { HEADWATER_LISTEN_PORT: '0' };
  const { code, stderr } = await headwater(['token', 'create', 'x', '--join'], { cwd: directory, env });
  expect(code).toBe(3);
  expect(stderr).toContain('start the server first');
  expect((await headwater(['token', 'list', '--json'], { cwd: directory })).stdout.trim()).toBe('[]');
});
