import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { smallRoot } from '../../support/small-images.ts';
import { createIdentities } from './identities.ts';
import { createWorld } from './world.ts';

const digestOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** The beginning of a body, whose sender then leaves. */
async function* broken(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
  await new Promise((resolve) => setTimeout(resolve, 200));
  throw new Error('the sender leaves');
}

test('an unfinished upload and an unpublished blob exist for their uploader only', async () => {
  const world = await createWorld();
  const { server } = world;
  const identities = await createIdentities(world);
  const token = await server.token(['publish']);
  const [unfinished, unpublished] = [smallRoot(300_000), smallRoot(20_000)];
  const [begun, whole] = [`sha256:${digestOf(unfinished)}`, `sha256:${digestOf(unpublished)}`];
  const path = (digest: string) => `/api/v1/blobs/${digest}`;
  const sent = await server.request(path(whole), { method: 'PUT', token, body: unpublished });
  expect(sent.status).toBe(201);
  await expect(
    server.request(path(begun), {
      method: 'PUT',
      token,
      headers: { 'content-length': String(unfinished.length) },
      body: broken(unfinished.subarray(0, 100_000)),
    }),
  ).rejects.toThrow();
  const own = async () => {
    const heads = [begun, whole].map((digest) => server.request(path(digest), { method: 'HEAD', token }));
    return (await Promise.all(heads)).map(({ headers }) => headers['upload-offset'] ?? headers['blob-size']);
  };
  await expect.poll(own).toEqual(['100000', String(unpublished.length)]);

  const before = await world.state();
  const problems: string[] = [];
  for (const identity of identities) {
    const ask = async (digest: string) => {
      const answers = [
        await identity.send('HEAD', path(digest)),
        await identity.send('PUT', path(digest), 'other bytes'),
        await identity.send('POST', '/api/v1/versions', { files: [{ digest }], stream: 'tenanta' }),
        await identity.send('POST', '/api/v1/versions', { files: [{ digest }], stream: 'images' }),
      ];
      return answers.map(({ status, headers: { date: _, 'x-request-id': __, ...headers }, body }) =>
        `${status} ${JSON.stringify(headers)} ${body}`.replaceAll(digest, 'DIGEST'),
      );
    };
    const absent = await ask(`sha256:${digestOf(Buffer.from('absent'))}`);
    // Administrators may use every blob that is kept.
    for (const digest of identity.isAdministrator ? [begun] : [begun, whole]) {
      (await ask(digest)).forEach((answer, index) => {
        if (answer !== absent[index]) problems.push(`${identity.name}: ${answer}, not ${absent[index]}`);
      });
    }
  }
  expect(problems.join('\n')).toBe('');
  expect(await world.state()).toBe(before);
  expect(await own()).toEqual(['100000', String(unpublished.length)]);
}, 60_000);

test('events are for those who are known, and tell them nothing of what others do', async () => {
  const world = await createWorld();
  const { operation: id } = world.names.privatePush;
  const owner = await world.clients.other.events();
  const listening = [];
  for (const identity of await createIdentities(world)) {
    if (identity.kind === 'token' || identity.kind === 'client') {
      listening.push({ identity, connection: await identity.listen() });
    } else await expect(identity.listen(), identity.name).rejects.toThrow('403');
  }
  expect(listening.length).toBeGreaterThan(15);
  world.server.server.operations.find(id)?.report({ download_progress: '50%' });
  await expect.poll(() => owner.statusesOf(id)).toEqual(['Running']);
  for (const { identity, connection } of listening) {
    // What was told before has come when the answer to a ping comes.
    const answered = once(connection.socket, 'pong');
    connection.socket.ping();
    await answered;
    if (!identity.isAdministrator) expect(connection.events, identity.name).toEqual([]);
  }
}, 60_000);
