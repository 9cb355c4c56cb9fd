import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Published } from '../../../src/publish/request.ts';
import { FaultProxy, type SeenRequest } from '../../support/fault-proxy.ts';
import { digestOf, type SmallImage, smallImage } from '../../support/images.ts';
import { headwater, RunningHeadwater } from '../command-line.ts';

const rootSize = 8 * 2 ** 20;
const properties = { os: 'Debian', release: 'bookworm' };

let directory: string;
let dataDir: string;
let url: string;
let token: string;
let server: RunningHeadwater;
let proxy: FaultProxy;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-remote-'));
  dataDir = join(directory, 'data');
  server = new RunningHeadwater([
    'serve',
    '--json',
    '--data-dir',
    dataDir,
    '--set',
    'listen.port=0',
    '--set',
    'listen.address=127.0.0.1',
  ]);
  await server.until(() => server.stdout.includes('\n'));
  ({ url } = JSON.parse(server.stdout) as { url: string });
  token = (await local('token', 'create', 'admin', '--allow', 'admin')).trim();
  proxy = await FaultProxy.start(url);
});
afterAll(async () => {
  await proxy?.stop();
  await server?.end('SIGKILL');
  await rm(directory, { recursive: true });
});
beforeEach(() => proxy.reset());

async function local(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await headwater([...args, '--data-dir', dataDir]);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

const certificate = () => join(dataDir, 'tls/server.crt');
const remote = (...args: string[]) =>
  headwater(args, { env: { HEADWATER_SERVER: url, HEADWATER_TOKEN: token, HEADWATER_CA: certificate() } });
const throughProxy = (...args: string[]) =>
  headwater(args, { env: { HEADWATER_SERVER: proxy.url, HEADWATER_TOKEN: token } });

let count = 0;
/** An image that nobody has yet. */
async function newImage(): Promise<{ files: [string, string]; serial: string; root: string }> {
  count += 1;
  const serial = `20260101_00${String(count).padStart(2, '0')}`;
  const files = await smallImage(join(directory, serial), {
    properties: { ...properties, serial },
    bytes: rootSize,
  });
  return { files, serial, root: `/api/v1/blobs/sha256:${await digestOf(files[1])}` };
}

const isPut = (path: string) => (request: SeenRequest) =>
  request.method === 'PUT' && request.path.startsWith(path);

describe('commands on a server', () => {
  test('print the same as on its data directory', async () => {
    const { files } = await newImage();
    const published = await remote('publish', ...files, '--json');
    expect(published).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(published.stdout)).toMatchObject({ outcome: 'created' });
    expect(JSON.parse(await local('publish', ...files, '--json'))).toMatchObject({ outcome: 'unchanged' });
    const [{ fingerprint } = { fingerprint: '' }] = (JSON.parse(published.stdout) as Published).images;
    expect(fingerprint).toBe(await digestOf(...files));

    for (const command of [
      ['list'],
      ['list', 'os=debian', '--all-versions', '--json'],
      ['show', 'debian/bookworm'],
      ['show', fingerprint.slice(0, 10), '--json'],
      ['alias', 'list'],
      ['alias', 'list', '--json'],
      ['token', 'list'],
    ]) {
      const [here, there] = await Promise.all([local(...command), remote(...command)]);
      expect(there.stdout, command.join(' ')).toBe(here);
    }
  });

  test('change it', async () => {
    const { files, serial } = await newImage();
    await remote('publish', ...files);
    expect(await remote('alias', 'set', 'team/stable', 'debian:bookworm:default')).toMatchObject({ code: 0 });
    expect(await local('alias', 'list')).toContain('team/stable');
    expect(await remote('alias', 'unset', 'team/stable')).toMatchObject({ code: 0 });
    expect(await local('alias', 'list')).not.toContain('team/stable');
    expect(await remote('remove', `debian/bookworm@${serial}`)).toMatchObject({ code: 0 });
    expect(await local('list', '--all-versions')).not.toContain(serial);
    const created = await remote('token', 'create', 'reader', '--allow', 'read', '--expires', '1h', '--json');
    expect(JSON.parse(created.stdout)).toMatchObject({
      name: 'reader',
      actions: ['read'],
      token: expect.stringMatching(/^hw_/),
    });
    expect(await remote('token', 'revoke', 'reader')).toMatchObject({ code: 0 });
    expect((await remote('token', 'revoke', 'reader')).code).toBe(4);
  });

  test.each<[string, SmallImage, string[], string]>([
    [
      'a missing field',
      { properties: { release: 'bookworm' } },
      [],
      'metadata.yaml has no property "os": give it with --os',
    ],
    [
      'a serial of no use',
      { properties: { ...properties, serial: 'v7' } },
      [],
      'correct it, or give --serial',
    ],
    [
      'an architecture that contradicts',
      { properties },
      ['--arch', 'arm64'],
      '--arch was given as arm64, but metadata.yaml says amd64: leave --arch out',
    ],
  ])('name flags in errors as on its data directory: %s', async (name, image, flags, message) => {
    const files = await smallImage(join(directory, name), image);
    const there = await remote('publish', ...files, ...flags);
    expect(there.stderr).toContain(message);
    expect(there).toEqual(await headwater(['publish', ...files, ...flags, '--data-dir', dataDir]));
  });

  test('end with the exit codes of its responses', async () => {
    const { files, serial } = await newImage();
    const as = (env: Record<string, string>, ...args: string[]) =>
      headwater(args, { env: { HEADWATER_SERVER: url, HEADWATER_CA: certificate(), ...env } });
    expect(await as({}, 'publish', ...files)).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('a token that allows "publish"'),
    });
    expect(await as({ HEADWATER_TOKEN: 'x' }, 'publish', ...files)).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('the token is not valid'),
    });
    expect(await as({}, 'token', 'list')).toMatchObject({ code: 6 });
    expect(await remote('show', 'debian/trixie')).toMatchObject({ code: 4 });
    await remote('publish', ...files);
    const [metadata] = files;
    const [, other] = (await newImage()).files;
    expect(await remote('publish', metadata, other, '--serial', serial)).toMatchObject({ code: 5 });
    expect(await remote('publish', metadata, metadata)).toMatchObject({ code: 3 });
  });

  test('trust its certificate only with --ca or --insecure', async () => {
    const untrusting = await headwater(['list', '--server', url]);
    // No later try succeeds before somebody trusts it.
    expect(untrusting.code).toBe(3);
    expect(untrusting.stderr).toContain('the certificate is not trusted. Use --ca FILE');
    expect((await headwater(['list', '--server', url, '--insecure'])).code).toBe(0);
    expect((await headwater(['list', '--server', url, '--ca', certificate()])).code).toBe(0);
    const plain = await headwater(['list', '--server', url.replace('https:', 'http:')]);
    expect(plain).toMatchObject({
      code: 2,
      stderr: `headwater: ${url.replace('https:', 'http:')}: the server redirects to ${url}. Use that address with --server\n`,
    });
  });

  test('report a server that is not Headwater', async () => {
    proxy.inject({ do: { kind: 'answer', status: 502, body: '<html>' } });
    expect(await throughProxy('list')).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('status 502, and the response is not from a Headwater server'),
    });
    proxy.reset();
    proxy.inject({ do: { kind: 'answer', status: 200, body: '<html>' } });
    expect(await throughProxy('list')).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('the response is not JSON'),
    });
  });
});

describe('an upload', () => {
  test('that breaks resumes where it stopped', async () => {
    const { files, root, serial } = await newImage();
    proxy.inject({ do: { kind: 'cut-request', after: 3_000_000 }, when: isPut(root), times: 1 });
    proxy.inject({ do: { kind: 'cut-request', after: 2_000_000 }, when: isPut(root), times: 1 });
    expect(await throughProxy('publish', ...files)).toMatchObject({ code: 0 });
    const starts = proxy.requests.filter(isPut(root)).map(({ headers }) => headers['content-range']);
    expect(starts).toHaveLength(3);
    expect(starts[0]).toBeUndefined();
    const offsets = starts.slice(1).map((range) => Number(/^bytes (\d+)-/.exec(range ?? '')?.[1]));
    expect(offsets[0]).toBeGreaterThan(0);
    expect(offsets[1]).toBeGreaterThan(offsets[0] ?? 0);
    const [version] = JSON.parse(await local('list', `serial=${serial}`, '--all-versions', '--json')) as [
      { files: { name: string; sha256: string }[] },
    ];
    expect(version.files.find(({ name }) => name === 'rootfs.squashfs')?.sha256).toBe(
      await digestOf(files[1]),
    );
  });

  test('whose response is lost is not repeated', async () => {
    const { files, root } = await newImage();
    proxy.inject({ do: { kind: 'lose-answer' }, when: isPut(root), times: 1 });
    expect(await throughProxy('publish', ...files)).toMatchObject({ code: 0 });
    expect(proxy.requests.filter(isPut(root))).toHaveLength(1);
  });

  test('retries while the server is busy', async () => {
    const { files, root } = await newImage();
    proxy.inject({ do: { kind: 'answer', status: 503 }, when: isPut(root), times: 2 });
    expect(await throughProxy('publish', ...files)).toMatchObject({ code: 0 });
    expect(proxy.requests.filter(isPut(root))).toHaveLength(3);
  });

  test('of files that the server has is skipped', async () => {
    const { files } = await newImage();
    await throughProxy('publish', ...files);
    proxy.reset();
    expect(await throughProxy('publish', ...files, '--serial', '20270101_0000')).toMatchObject({ code: 0 });
    expect(proxy.requests.filter(({ method }) => method === 'PUT')).toEqual([]);
  });

  test('of a file that differs from SHA256SUMS does not start', async () => {
    const { files } = await newImage();
    const place = dirname(files[0]);
    await writeFile(join(place, 'SHA256SUMS'), `${'0'.repeat(64)}  rootfs.squashfs\n`);
    expect(await throughProxy('publish', place)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('was announced'),
    });
    expect(proxy.requests).toEqual([]);
  });
});
