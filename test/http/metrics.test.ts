import { expect, test } from 'vitest';
import { definition } from '../mirror/workspace.ts';
import { TestServer } from '../support/server.ts';

const streams = { images: { public: true }, secret: { public: false } };

/** A server with a mirror into a public stream, and one into a private stream. */
async function started(): Promise<TestServer> {
  const upstream = 'http://127.0.0.1:1';
  return await TestServer.start({ streams }, [
    definition(upstream, { name: 'openly' }),
    definition(upstream, { name: 'covertly', stream: 'secret' }),
    definition(upstream, { name: 'disabled', enabled: false }),
  ]);
}

/** The metrics that somebody reads: the status, the mirrors that they name, and the numbers of mirrors. */
async function read(server: TestServer, token?: string) {
  const { status, body } = await server.request('/metrics', token === undefined ? {} : { token });
  const text = body.toString();
  const names = [...text.matchAll(/^headwater_mirror_stale\{mirror="(\w+)"\}/gm)].map(([, name]) => name);
  return {
    status,
    names,
    mentions: text.includes('covertly'),
    count: /^headwater_mirrors (\d+)$/m.exec(text)?.[1],
  };
}

test('metrics name a mirror of a private stream only to those who may read the stream, and count it for all', async () => {
  const server = await started();
  const { tokens } = server.workspace.catalog;
  const withPattern = await tokens.create({ name: 'pattern', actions: ['read'], names: ['*'] });
  const open = { status: 200, names: ['openly'], mentions: false, count: '2' };
  const all = { status: 200, names: ['openly', 'covertly'], mentions: true, count: '2' };
  expect(await read(server)).toEqual(open);
  expect(await read(server, await server.token(['read'], ['images']))).toEqual(open);
  // As for documents, a pattern of names says nothing about a whole stream.
  expect(await read(server, withPattern.secret)).toEqual(open);
  expect(await read(server, await server.token(['read'], ['secret']))).toEqual(all);
  expect(await read(server, await server.token(['admin']))).toEqual(all);
  expect(await read(server, 'hw_garbage')).toMatchObject({ status: 401, names: [], mentions: false });
});

test('metrics that are read at the same time with different rights stay apart', async () => {
  const server = await started();
  const token = await server.token(['read']);
  const readings = await Promise.all(
    Array.from({ length: 20 }, (_, index) => read(server, index % 2 === 0 ? token : undefined)),
  );
  expect(readings.map(({ names }) => names.length)).toEqual(readings.map((_, index) => 2 - (index % 2)));
});
