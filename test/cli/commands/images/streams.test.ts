import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestServer } from '../../../support/server.ts';
import { makeSmallImage, type SmallImage } from '../../../support/small-images.ts';
import { headwater } from '../../command-line.ts';

let directory: string;
let image: SmallImage;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-streams-'));
  image = await makeSmallImage();
});
afterEach(async () => {
  await rm(directory, { recursive: true });
  await rm(image.directory, { recursive: true });
});

const publish = async (...args: string[]) =>
  await headwater(['publish', image.metadata, image.root, ...args], { cwd: directory });
const create = async (name: string, ...args: string[]) =>
  await headwater(['token', 'create', name, ...args], { cwd: directory });

test('a stream that does not exist is created only on request', async () => {
  const refused = await publish('--stream', 'nightly');
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/stream "nightly" does not exist: .*--create-stream.*images, pushed/);
  expect((await headwater(['list', '--json'], { cwd: directory })).stdout.trim()).toBe('[]');
  expect((await publish('--stream', 'nightly', '--create-stream')).code).toBe(0);
  const again = await publish('--stream', 'nigthly');
  expect(again.stderr).toContain('did you mean nightly?');
  expect((await publish('--stream', 'nightly')).code).toBe(0);
});

test('a token for a stream that does not exist is created only on request, and makes the stream known', async () => {
  expect(await create('ci', '--stream', 'nightly')).toMatchObject({ code: 2, stdout: '' });
  expect((await headwater(['token', 'list', '--json'], { cwd: directory })).stdout.trim()).toBe('[]');
  expect((await create('ci', '--stream', 'nightly', '--create-stream')).code).toBe(0);
  expect((await create('other', '--stream', 'nightly')).code).toBe(0);
  expect((await publish('--stream', 'nightly')).code).toBe(0);
});

test.each(['images', 'pushed'])('the stream %s needs no request', async (stream) => {
  expect((await create('ci', '--stream', stream)).code).toBe(0);
  expect((await publish('--stream', stream)).code).toBe(0);
});

test('streams of the configuration and of mirrors exist', async () => {
  const { mkdir, writeFile } = await import('node:fs/promises');
  await writeFile(join(directory, 'headwater.yaml'), 'streams: { nightly: { public: false } }\n');
  await mkdir(join(directory, 'mirrors'));
  const definition = 'url: https://images.example.com\nunsigned: true\nselect: [{}]\nstream: copied\n';
  await writeFile(join(directory, 'mirrors/one.yaml'), definition);
  for (const stream of ['nightly', 'copied']) expect((await create(stream, '--stream', stream)).code).toBe(0);
});

test('a server refuses unknown streams in versions and in tokens', async () => {
  const server = await TestServer.start();
  const { secret } = await server.workspace.catalog.tokens.create({ name: 'admin', actions: ['admin'] });
  const remote = ['--server', server.url(''), '--insecure', '--token', secret];
  expect((await publish('--stream', 'nightly', ...remote)).stderr).toContain('--create-stream');
  const body = JSON.stringify({ name: 'ci', streams: ['nightly'] });
  const refused = await server.request('/api/v1/tokens', { method: 'POST', token: secret, body });
  const { error } = refused.json() as { error: { message: string; fields: string[] } };
  // Programs have fields, not flags.
  expect(error.message).toMatch(/create it with createStream/);
  expect([error.message.includes('--'), error.fields]).toEqual([false, ['createStream']]);
  expect((await create('ci', '--stream', 'nightly', ...remote)).code).toBe(2);
  expect((await create('ci', '--stream', 'nightly', '--create-stream', ...remote)).code).toBe(0);
  expect((await publish('--stream', 'nightly', ...remote)).code).toBe(0);
  expect((await publish('--stream', 'weekly', '--create-stream', ...remote)).code).toBe(0);
});

test('a server names its streams to administrators only', async () => {
  const server = await TestServer.start({ streams: { secret: { public: false } } });
  const make = async (name: string, rights: { actions: ('admin' | 'publish')[]; names?: string[] }) =>
    (await server.workspace.catalog.tokens.create({ name, ...rights })).secret;
  const refused = async (token: string) =>
    (await publish('--stream', 'secrets', '--server', server.url(''), '--insecure', '--token', token)).stderr;
  expect(await refused(await make('admin', { actions: ['admin'] }))).toContain('did you mean secret?');
  expect(await refused(await make('ci', { actions: ['publish'], names: ['team/*'] }))).not.toContain(
    'secret?',
  );
});
