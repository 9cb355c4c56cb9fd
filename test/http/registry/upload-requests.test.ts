import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../support/command.ts';
import { ended, makeImage } from '../../support/push-images.ts';
import { RegistryClient } from '../../support/registry-client.ts';
import { TestServer } from '../../support/server.ts';

/** A unified tarball that no other test has. */
async function makeUnified(options: { compress: boolean }): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-unified-'));
  const properties = { os: 'debian', release: `r${Math.random()}`.replace('.', '') };
  const yaml = { architecture: 'x86_64', creation_date: 1767225600, properties };
  await writeFile(join(directory, 'metadata.yaml'), JSON.stringify(yaml));
  for (const name of ['bin', 'etc', 'usr/bin'])
    await mkdir(join(directory, 'rootfs', name), { recursive: true });
  const file = join(directory, 'image.tar');
  await run('tar', ['-C', directory, options.compress ? '-czf' : '-cf', file, 'metadata.yaml', 'rootfs']);
  return await readFile(file);
}

test.each([
  ['no Content-Type', {}],
  ['an empty Content-Type', { 'content-type': '' }],
  ["curl's Content-Type", { 'content-type': 'application/x-www-form-urlencoded' }],
  ['a tarball', { 'content-type': 'application/x-tar' }],
  ['a compressed tarball', { 'content-type': 'application/gzip' }],
  ['bytes', { 'content-type': 'Application/Octet-Stream' }],
  ['text in a charset', { 'content-type': 'text/plain; charset=utf-8' }],
])('a body with %s is an image', async (_, headers) => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  for (const compress of [true, false]) {
    const body = await makeUnified({ compress });
    const answer = await client.request('POST', '/1.0/images', { body, headers });
    expect(await ended(client, answer)).toMatchObject({ status: 'Success' });
  }
});

test.each([
  'application/json',
  'application/json; charset=utf-8',
  'APPLICATION/JSON',
  'application/x-www-form-urlencoded',
  undefined,
])('a JSON object with Content-Type %s is a request', async (contentType) => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  const body = Buffer.from(JSON.stringify({ source: { type: 'image', mode: 'push', fingerprint: 'x' } }));
  const headers: Record<string, string> = contentType === undefined ? {} : { 'content-type': contentType };
  expect(await client.request('POST', '/1.0/images', { body, headers })).toMatchObject({
    status: 400,
    error: expect.stringContaining('source.fingerprint') as unknown,
  });
});

test('a body that says it is JSON and is not gets an error about JSON; an empty one an error, too', async () => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  const headers = { 'content-type': 'application/json' };
  const body = await makeUnified({ compress: true });
  expect(await client.request('POST', '/1.0/images', { body, headers })).toMatchObject({
    status: 400,
    error: expect.stringContaining('JSON') as unknown,
  });
  expect((await client.request('POST', '/1.0/images', { body: Buffer.alloc(0) })).status).toBe(400);
  expect((await client.request('POST', '/1.0/images')).status).toBe(400);
});

test.each([
  [
    'parameters without quotes',
    'form-data;name=metadata;filename=m',
    'form-data;name=rootfs;filename=r',
    '\r\n',
  ],
  [
    'the file name first',
    'form-data; filename="a;name=b"; name="metadata"',
    'form-data; filename=r; name=rootfs',
    '\r\n',
  ],
  ['names in capitals', 'FORM-DATA; NAME="metadata"; FileName="m"', 'Form-Data; Name = rootfs', '\r\n'],
  ['lines that end with LF', 'form-data; name="metadata"', 'form-data; name="rootfs"', '\n'],
])('multipart with %s is taken', async (_, first, second, end) => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  const image = await makeImage();
  const body = Buffer.concat([
    Buffer.from(`--B${end}content-disposition:${first}${end}${end}`),
    image.metadata,
    Buffer.from(`${end}--B \t${end}X-Other: 1${end}Content-Disposition: ${second}${end}${end}`),
    image.root,
    Buffer.from(`${end}--B--${end}`),
  ]);
  const headers = { 'content-type': 'Multipart/Form-Data;Boundary=B' };
  const answer = await client.request('POST', '/1.0/images', { body, headers });
  expect(await ended(client, answer)).toMatchObject({
    status: 'Success',
    metadata: { fingerprint: image.fingerprint },
  });
});

test('headers of an upload may come several times, and in UTF-8', async () => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  const body = await makeUnified({ compress: true });
  const utf8 = Buffer.from('description=Größe').toString('latin1');
  const answer = await client.request('POST', '/1.0/images', {
    body,
    headers: {
      'content-type': 'application/octet-stream',
      'X-LXD-Properties': ['a=1&a=2', utf8],
      'X-Incus-Aliases': ['alias=one', 'alias=two&alias=three%2Ffour'],
      'X-LXD-Aliases': '',
    },
  });
  await ended(client, answer);
  const { metadata } = await client.get('/1.0/images?recursion=1');
  expect(metadata).toMatchObject([
    {
      properties: { a: '1', description: 'Größe' },
      aliases: [{ name: 'one' }, { name: 'three/four' }, { name: 'two' }],
    },
  ]);
});

test.each([
  ['0', false],
  ['1', true],
  ['2', true],
  ['', false],
  ['yes', false],
])('a list with recursion=%s is as LXD gives it', async (recursion, whole) => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  const body = await makeUnified({ compress: true });
  await ended(
    client,
    await client.request('POST', '/1.0/images', { body, headers: { 'x-lxd-aliases': 'alias=app' } }),
  );
  for (const list of ['images', 'images/aliases', 'certificates']) {
    const { metadata } = await client.get(`/1.0/${list}?project=default&recursion=${recursion}&recursion=0`);
    const shape = whole ? expect.any(Object) : expect.stringContaining(`/1.0/${list}/`);
    expect(metadata, list).toEqual([shape as unknown]);
  }
});

test('an entity tag that a proxy has marked as weak is taken', async () => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  const body = await makeUnified({ compress: true });
  const done = await ended(client, await client.request('POST', '/1.0/images', { body }));
  const { fingerprint } = done['metadata'] as { fingerprint: string };
  const path = `/1.0/images/${fingerprint}`;
  const { etag = '' } = (await client.get(path)).headers;
  const patch = async (tag: string) =>
    (await client.request('PATCH', path, { json: { properties: { x: tag } }, headers: { 'if-match': tag } }))
      .status;
  expect(await patch('W/"other"')).toBe(412);
  expect(await patch(`W/${etag}`)).toBe(200);
});
