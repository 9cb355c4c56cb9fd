import { expect, test } from 'vitest';
import { ended, makeImage, upload } from '../../support/push-images.ts';
import { RegistryClient } from '../../support/registry-client.ts';
import { TestServer } from '../../support/server.ts';

const spellings = [
  ['as they are', 'debian/12/cloud'],
  ['encoded', 'debian%2F12%2Fcloud'],
  ['partly encoded', 'debian%2f12/cloud'],
] as const;

test.each(spellings)('slashes of an alias may come %s, with every method', async (_, path) => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  const image = await makeImage();
  await ended(client, await upload(client, image, { 'x-lxd-aliases': 'alias=debian%2F12%2Fcloud' }));
  const alias = `/1.0/images/aliases/${path}`;
  expect((await client.get(alias)).metadata).toMatchObject({ name: 'debian/12/cloud' });
  const put = await client.request('PUT', alias, { json: { description: 'a', target: image.fingerprint } });
  expect(put.status).toBe(200);
  expect((await client.request('PATCH', alias, { json: { description: 'b' } })).status).toBe(200);
  expect((await client.get(alias)).metadata).toMatchObject({ description: 'b' });
  const renamed = await client.request('POST', alias, { json: { name: 'team/app' } });
  expect(renamed).toMatchObject({ status: 201, headers: { location: '/1.0/images/aliases/team%2Fapp' } });
  expect((await client.get(alias)).status).toBe(404);
  await client.request('POST', '/1.0/images/aliases/team/app', { json: { name: 'debian/12/cloud' } });
  expect((await client.request('DELETE', alias)).status).toBe(200);
  expect((await client.get(alias)).status).toBe(404);
});

test.each(['debian%252F12', 'debian/12/', 'debian//12', '/debian/12', 'debian'])(
  'the path %s is not the alias debian/12',
  async (path) => {
    const server = await TestServer.start();
    const client = await RegistryClient.joined(server);
    await ended(client, await upload(client, await makeImage(), { 'x-lxd-aliases': 'alias=debian%2F12' }));
    expect((await client.get(`/1.0/images/aliases/${path}`)).status).toBe(404);
  },
);

test.each(['export', 'refresh', 'secret', 'app/export'])('an alias may be called %s', async (name) => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  await ended(client, await upload(client, await makeImage(), { 'x-lxd-aliases': `alias=${name}` }));
  const path = `/1.0/images/aliases/${name}`;
  expect((await client.get(path)).metadata).toMatchObject({ name });
  expect((await client.request('POST', path, { json: { name: 'other' } })).status).toBe(201);
});

test('the HTTP API takes slashes of an alias as they are, too', async () => {
  const server = await TestServer.start();
  const { secret } = await server.workspace.catalog.tokens.create({
    name: 'ci',
    purpose: 'api',
    actions: ['read', 'publish'],
  });
  const client = await RegistryClient.joined(server);
  await ended(client, await upload(client, await makeImage(), { 'x-lxd-public': '1' }));
  const path = '/api/v1/aliases/debian/12';
  const answer = await server.request(path, { method: 'DELETE', token: secret });
  expect(answer.status).toBe(404);
  expect(answer.body.toString()).toContain('debian/12');
});
