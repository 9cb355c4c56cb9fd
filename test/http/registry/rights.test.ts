import { describe, expect, test } from 'vitest';
import { ended, type ImageBytes, makeImage, multipart, upload } from '../../support/push-images.ts';
import { RegistryClient } from '../../support/registry-client.ts';
import { TestServer } from '../../support/server.ts';

/** A server with a team and another, each with names of its own, in one stream. */
async function start() {
  const server = await TestServer.start();
  const [team, app, everything] = [
    await RegistryClient.joined(server, { name: 'team', names: ['team/*'] }),
    await RegistryClient.joined(server, { name: 'app', names: ['app/*'] }),
    await RegistryClient.joined(server, { name: 'everything' }),
  ];
  return { server, team, app, everything, stranger: RegistryClient.anonymous(server) };
}

const named = (...aliases: string[]) => ({
  'x-incus-aliases': aliases.map((alias) => `alias=${encodeURIComponent(alias)}`).join('&'),
});
const listed = { 'x-lxd-public': 'true' };

async function aliasesOf(client: RegistryClient, image: ImageBytes): Promise<string[]> {
  const { status, metadata } = await client.get(`/1.0/images/${image.fingerprint}`);
  if (status !== 200) return [`status ${status}`];
  return (metadata['aliases'] as { name: string }[]).map(({ name }) => name);
}

describe("bytes that are another's private image", () => {
  test('are published as an image of their own: nothing of the other one is shown or changed', async () => {
    const { server, team, app, stranger } = await start();
    const image = await makeImage();
    await upload(team, image, { ...named('team/priv'), 'x-lxd-properties': 'note=secret' });
    const answer = await upload(app, image, { ...named('app/x'), ...listed });
    expect(await ended(app, answer)).toMatchObject({ status: 'Success' });

    const shown = await stranger.get(`/1.0/images/${image.fingerprint}`);
    expect(shown).toMatchObject({ status: 200, metadata: { public: true, aliases: [{ name: 'app/x' }] } });
    expect(shown.metadata['properties']).not.toHaveProperty('note');
    expect(await aliasesOf(app, image)).toEqual(['app/x']);
    const document = (await server.request('/streams/v1/pushed.json')).body.toString();
    expect(document).toContain('app/x');
    expect(document).not.toContain('team');
    expect((await stranger.get('/1.0/images/aliases/team%2Fpriv')).status).toBe(404);
    const own = await team.get('/1.0/images/aliases/team%2Fpriv');
    expect(own.metadata).toMatchObject({ target: image.fingerprint });
  });

  test('give no hold on it: the other one is neither edited nor deleted', async () => {
    const { team, app } = await start();
    const image = await makeImage();
    await upload(team, image, named('team/priv'));
    await upload(app, image, named('app/x'));
    const path = `/1.0/images/${image.fingerprint}`;
    const edit = { json: { properties: { color: 'blue' } } };
    expect((await app.request('PATCH', path, edit)).status).toBe(200);
    expect((await team.get(path)).metadata['properties']).not.toHaveProperty('color');
    await ended(app, await app.request('DELETE', path));
    expect(await aliasesOf(app, image)).toEqual(['status 404']);
    expect(await aliasesOf(team, image)).toEqual(['team/priv']);
  });

  test('are told apart by who may have both: an edit is of one, a removal of all', async () => {
    const { team, app, everything } = await start();
    const image = await makeImage();
    await upload(team, image, named('team/priv'));
    await upload(app, image, { ...named('app/x'), ...listed });
    const path = `/1.0/images/${image.fingerprint}`;
    expect(await aliasesOf(everything, image)).toEqual(['app/x', 'team/priv']);
    const { headers } = await everything.get(path);
    const edit = { json: { public: false }, headers: { 'if-match': headers['etag'] ?? '' } };
    expect((await everything.request('PATCH', path, edit)).status).toBe(200);
    expect((await everything.get(path)).metadata).toMatchObject({ public: false });
    await ended(everything, await everything.request('DELETE', path));
    for (const client of [team, app]) expect(await aliasesOf(client, image)).toEqual(['status 404']);
  });
});

describe('an image with aliases of others', () => {
  test('stays with whoever has the name of its product, who edits and deletes it', async () => {
    const { team, app, everything } = await start();
    const image = await makeImage();
    await upload(team, image, named('team/base'));
    const pin = { json: { name: 'app/base', target: image.fingerprint } };
    expect((await everything.request('POST', '/1.0/images/aliases', pin)).status).toBe(201);
    const path = `/1.0/images/${image.fingerprint}`;
    expect(await aliasesOf(app, image), 'an alias of its own opens it').toEqual(['app/base']);
    for (const method of ['PATCH', 'DELETE']) {
      const refused = await app.request(method, path, { json: { public: true } });
      expect(refused).toMatchObject({ status: 403, type: 'error' });
      expect(refused.error).not.toContain('team/base');
    }
    expect((await team.request('PATCH', path, { json: { properties: { a: '1' } } })).status).toBe(200);
    expect(await ended(team, await team.request('DELETE', path))).toMatchObject({ status: 'Success' });
    expect(await aliasesOf(everything, image)).toEqual(['status 404']);
  });

  test('gets none from somebody without a right to the image, by neither API', async () => {
    const { server, team, app } = await start();
    const image = await makeImage();
    await upload(team, image, { ...named('team/base'), ...listed });
    const pin = { json: { name: 'app/base', target: image.fingerprint } };
    expect((await app.request('POST', '/1.0/images/aliases', pin)).status).toBe(403);
    const family = { os: 'pushed', release: 'team+base', variant: 'default' };
    expect((await app.request('PUT', '/api/v1/aliases/app%2Fbase', { json: family })).status).toBe(403);
    expect((await server.workspace.catalog.aliases.list()).map(({ name }) => name)).toEqual(['team/base']);
  });

  test('stays with its product while its alias is moved, and when it is gone', async () => {
    const { team, app } = await start();
    const image = await makeImage();
    await upload(team, image, named('team/Base'));
    expect((await team.request('DELETE', '/1.0/images/aliases/team%2FBase')).status).toBe(200);
    const anew = { json: { name: 'team/Base', target: image.fingerprint } };
    expect((await app.request('POST', '/1.0/images/aliases', anew)).status).toBe(404);
    expect((await team.request('POST', '/1.0/images/aliases', anew)).status).toBe(201);
  });
});

describe('an image without an alias', () => {
  test('is for who pushed it, and for those whom no names limit', async () => {
    const { team, app, everything } = await start();
    const image = await makeImage();
    await upload(team, image);
    expect(await aliasesOf(app, image)).toEqual(['status 404']);
    expect((await app.request('DELETE', `/1.0/images/${image.fingerprint}`)).status).toBe(404);
    for (const client of [team, everything]) expect(await aliasesOf(client, image)).toEqual([]);
  });

  test('is named after it was sent, as image import does', async () => {
    const { team, app } = await start();
    const image = await makeImage();
    await upload(team, image);
    // Another sends the same bytes meanwhile.
    await upload(app, image);
    const alias = { json: { name: 'team/app', target: image.fingerprint.slice(0, 12) } };
    expect((await team.request('POST', '/1.0/images/aliases', alias)).status).toBe(201);
    expect(await aliasesOf(team, image)).toEqual(['team/app']);
    expect(await aliasesOf(app, image)).toEqual([]);
  });
});

describe('what the HTTP API shows of private images', () => {
  test('is nothing to strangers and to who has no right to their names', async () => {
    const { server, team, app, everything } = await start();
    const [image, shown] = [await makeImage(), await makeImage()];
    await upload(team, shown, { ...named('team/app'), ...listed });
    await upload(team, image, named('team/app'));
    await upload(team, await makeImage(), named('team/priv'));
    const stranger = RegistryClient.anonymous(server);
    const read = async (client: RegistryClient) => {
      const answers = await Promise.all(
        ['products', 'aliases', `images/${image.fingerprint}`].map((path) => client.get(`/api/v1/${path}`)),
      );
      return JSON.stringify(answers.map(({ headers: _, ...answer }) => answer));
    };
    for (const client of [stranger, app]) {
      const text = await read(client);
      expect(text).toContain('team/app');
      expect(text).toContain(shown.fingerprint);
      expect(text).not.toContain(image.fingerprint);
      expect(text).not.toContain('team/priv');
    }
    for (const client of [team, everything]) {
      expect(await read(client)).toContain(image.fingerprint);
      expect(await read(client)).toContain('team/priv');
    }
  });
});

test('an alias with newer private versions leads strangers to the newest public one', async () => {
  const { server, team, stranger } = await start();
  const [old, fresh] = [await makeImage(), await makeImage()];
  await upload(team, old, { ...named('team/app'), ...listed });
  await upload(team, fresh, named('team/app'));
  const target = async (client: RegistryClient) =>
    (await client.get('/1.0/images/aliases/team%2Fapp')).metadata['target'];
  expect(await target(team)).toBe(fresh.fingerprint);
  expect(await target(stranger)).toBe(old.fingerprint);
  const document = (await server.request('/streams/v1/pushed.json')).body.toString();
  expect(document).toContain(old.fingerprint);
  expect(document).not.toContain(fresh.fingerprint);
});

describe('a client that is revoked', () => {
  const announced = async (client: RegistryClient, image: ImageBytes) => {
    const source = { type: 'image', mode: 'push', fingerprint: image.fingerprint };
    const { metadata } = await client.request('POST', '/1.0/images', { json: { source } });
    return { operation: String(metadata['id']), secret: secretOf(metadata) };
  };

  test('cannot have anything pushed any more that it announced', async () => {
    const { server, team, everything, stranger } = await start();
    const image = await makeImage();
    const { secret } = await announced(team, image);
    await server.workspace.catalog.clients.revoke('team');
    const refused = await upload(stranger, image, { 'x-lxd-secret': secret });
    expect(refused).toMatchObject({ status: 403, error: expect.stringContaining('was revoked') as unknown });
    expect(await aliasesOf(everything, image)).toEqual(['status 404']);
  });

  test('cannot have anything read any more with a secret that it made', async () => {
    const { server, team, stranger } = await start();
    const image = await makeImage();
    await upload(team, image);
    const { metadata } = await team.request('POST', `/1.0/images/${image.fingerprint}/secret`);
    const paths = ['', '/export'].map(
      (path) => `/1.0/images/${image.fingerprint}${path}?secret=${secretOf(metadata)}`,
    );
    expect((await server.request(paths[0] ?? '')).status).toBe(200);
    await server.workspace.catalog.clients.revoke('team');
    for (const path of paths) expect((await stranger.get(path)).status).toBe(404);
  });

  test('cannot end an upload that it began before', async () => {
    const { server, team, everything } = await start();
    const image = await makeImage();
    const { body, contentType } = multipart([
      ['metadata', image.metadata],
      ['rootfs', image.root],
    ]);
    const slow = (async function* () {
      yield body.subarray(0, 10_000);
      await server.workspace.catalog.clients.revoke('team');
      yield body.subarray(10_000);
    })();
    const headers = { 'content-type': contentType };
    const refused = await team.request('POST', '/1.0/images', { body: slow, headers });
    expect(refused).toMatchObject({ status: 403, error: expect.stringContaining('was revoked') as unknown });
    expect(await aliasesOf(everything, image)).toEqual(['status 404']);
    const left = [];
    for await (const blob of server.workspace.store.list()) left.push(blob);
    expect(left).toEqual([]);
  });
});

test('an announced upload that fails ends as a failure, with the reason', async () => {
  const { team, stranger } = await start();
  const image = await makeImage();
  const source = { type: 'image', mode: 'push', fingerprint: image.fingerprint };
  const { metadata, operation } = await team.request('POST', '/1.0/images', { json: { source } });
  const other = await makeImage();
  const refused = await upload(stranger, other, { 'x-lxd-secret': secretOf(metadata) });
  expect(refused.status).toBe(400);
  expect((await team.get(operation)).metadata).toMatchObject({ status: 'Failure', err: refused.error });
});

function secretOf(metadata: Record<string, unknown>): string {
  return String((metadata['metadata'] as Record<string, unknown>)['secret']);
}
