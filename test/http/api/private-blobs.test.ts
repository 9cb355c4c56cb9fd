import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { TestServer } from '../../support/server.ts';
import { makeSmallImage } from '../../support/small-images.ts';

const digestOf = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const blobPath = (bytes: Buffer) => `/api/v1/blobs/${digestOf(bytes)}`;

/** A server with a private image of the stream `secret-team`, and tokens of that team and of others. */
async function start() {
  const server = await TestServer.start({
    streams: { images: { public: true }, 'secret-team': { public: false } },
  });
  const image = await makeSmallImage({ os: 'secret', size: 4096 });
  const published = await server.publish({
    files: [image.metadata, image.root].map((path) => ({ from: 'disk', name: path, path })),
    stream: 'secret-team',
    aliases: ['secret-alias'],
  });
  const [metadata, root] = await Promise.all([readFile(image.metadata), readFile(image.root)]);
  const own = await readFile((await makeSmallImage({ os: 'mine', size: 4096 })).metadata);
  const stranger = await server.token(['publish', 'remove'], ['images']);
  const team = await server.token(['publish'], ['images', 'secret-team']);
  const put = (token: string, body: Buffer, query = '') =>
    server.request(`${blobPath(body)}${query}`, { method: 'PUT', token, body });
  const head = async (token: string, bytes: Buffer) => {
    const { status, headers } = await server.request(blobPath(bytes), { method: 'HEAD', token });
    return { status, size: headers['blob-size'], offset: headers['upload-offset'] };
  };
  const publish = (token: string, blobs: Buffer[], said: Record<string, unknown> = {}) =>
    server.request('/api/v1/versions', {
      method: 'POST',
      token,
      body: JSON.stringify({ files: blobs.map((bytes) => ({ digest: digestOf(bytes) })), ...said }),
    });
  return { server, published, metadata, root, own, stranger, team, put, head, publish };
}

/** Begins an upload that sends some bytes of a body and then nothing more. @returns what ends it */
async function trickle(server: TestServer, token: string, body: Buffer, bytes: number): Promise<() => void> {
  const socket = connect({ port: server.server.port, host: '127.0.0.1', rejectUnauthorized: false });
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  socket.write(
    `PUT ${blobPath(body)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  socket.write(body.subarray(0, bytes));
  return () => socket.destroy();
}

describe('a blob of a private image', () => {
  test('does not exist for somebody who knows its digest only', async () => {
    const { metadata, root, own, stranger, put, head, publish } = await start();
    const nothing = { status: 404, size: undefined, offset: '0' };
    for (const bytes of [root, metadata, Buffer.from('never seen')]) {
      expect(await head(stranger, bytes)).toEqual(nothing);
    }
    expect((await put(stranger, own)).status).toBe(201);
    const unknown = Buffer.from('never seen');
    const [refused, absent] = [await publish(stranger, [own, root]), await publish(stranger, [own, unknown])];
    expect(refused.status).toBe(404);
    expect(refused.body.toString().replaceAll(digestOf(root), 'DIGEST')).toBe(
      absent.body.toString().replaceAll(digestOf(unknown), 'DIGEST'),
    );
    expect((await put(stranger, root, `?metadata=${digestOf(metadata)}`)).status).toBe(404);
  });

  test('is theirs once they sent all its bytes, whatever others did with it', async () => {
    const { root, own, stranger, put, head, publish } = await start();
    await put(stranger, own);
    const damaged = Buffer.from(root);
    damaged[root.length - 100] = (damaged[root.length - 100] ?? 0) ^ 1;
    const path = blobPath(root);
    const refused = await (await start()).server.request(path, {
      method: 'PUT',
      token: 'none',
      body: damaged,
    });
    expect(refused.status).toBe(401);
    expect((await put(stranger, root)).status).toBe(201);
    expect(await head(stranger, root)).toMatchObject({ status: 200, size: String(root.length) });
    expect((await publish(stranger, [own, root])).status).toBe(201);
  });

  test('is not taken from somebody who announces its digest and sends other bytes', async () => {
    const { server, root, stranger, head } = await start();
    const body = Buffer.from(root);
    body[root.length - 100] = (body[root.length - 100] ?? 0) ^ 1;
    expect((await server.request(blobPath(root), { method: 'PUT', token: stranger, body })).status).toBe(422);
    expect(await head(stranger, root)).toMatchObject({ status: 404 });
  });

  test('need not be sent by those who may read the image, nor by administrators', async () => {
    const { server, root, own, team, put, head, publish } = await start();
    expect(await head(await server.token(['admin']), root)).toMatchObject({ status: 200 });
    expect(await head(team, root)).toMatchObject({ status: 200 });
    await put(team, own);
    expect((await publish(team, [own, root])).status).toBe(201);
  });

  test('is used by its readers without becoming their upload', async () => {
    const { server, root, own, team, put, publish, published } = await start();
    await put(team, own);
    await publish(team, [own, root], { stream: 'secret-team' });
    const uploaders = await server.workspace.catalog.blobs.uploaders(digestOf(root).slice(7));
    expect([...uploaders]).toEqual([]);
    expect(published.outcome).toBe('created');
  });
});

describe('an unfinished upload', () => {
  test('is known to its uploader only, and another upload of the blob neither waits for it nor changes it', async () => {
    const { server, root, stranger, team, put, head } = await start();
    const fresh = Buffer.concat([root]);
    const image = await makeSmallImage({ size: 200_000 });
    const body = await readFile(image.root);
    const end = await trickle(server, stranger, body, 100_000);
    await expect.poll(async () => (await head(stranger, body)).offset).toBe('100000');
    expect(await head(team, body)).toEqual({ status: 404, size: undefined, offset: '0' });
    const middle = await server.request(blobPath(body), {
      method: 'PUT',
      token: team,
      headers: { 'content-range': `bytes 100000-${body.length - 1}/${body.length}` },
      body: body.subarray(100_000),
    });
    expect([middle.status, middle.headers['upload-offset']]).toEqual([409, '0']);
    expect((await put(team, body)).status).toBe(201);
    expect(await head(stranger, body)).toEqual({ status: 404, size: undefined, offset: '100000' });
    end();
    await expect
      .poll(async () => {
        const rest = await server.request(blobPath(body), {
          method: 'PUT',
          token: stranger,
          headers: { 'content-range': `bytes 100000-${body.length - 1}/${body.length}` },
          body: body.subarray(100_000),
        });
        return rest.status;
      })
      .toBe(201);
    expect(fresh.length).toBe(root.length);
  });
});

describe('the unfinished uploads of a token', () => {
  test('are limited in number and bytes, which is counted, and others are not limited by them', async () => {
    const limits = { unfinishedUploads: 1, unfinishedUploadBytes: 150_000 };
    const server = await TestServer.start({ limits });
    const [one, other] = [await server.token(['publish']), await server.token(['publish'])];
    const roots = [];
    for (const size of [120_000, 90_000, 200_000]) {
      roots.push(await readFile((await makeSmallImage({ size })).root));
    }
    const [first, second, large] = roots;
    if (first === undefined || second === undefined || large === undefined) throw new Error('no image');
    const put = async (token: string, body: Buffer) =>
      (await server.request(blobPath(body), { method: 'PUT', token, body })).status;
    const end = await trickle(server, one, first, 50_000);
    const offset = async () =>
      (await server.request(blobPath(first), { method: 'HEAD', token: one })).headers['upload-offset'];
    await expect.poll(offset).toBe('50000');
    expect(await put(one, second)).toBe(413);
    expect(await put(other, second)).toBe(201);
    expect(await put(other, large)).toBe(413);
    const metrics = (await server.request('/metrics')).body.toString();
    for (const limit of Object.keys(limits)) {
      expect(metrics).toContain(`headwater_refused_total{limit="${limit}"} 1`);
    }
    end();
  });
});

describe('a refusal', () => {
  test('names no product, stream, owner or alias that the caller may not see', async () => {
    const { server, published, root, own, stranger, put, publish } = await start();
    const [metadata, mine] = await Promise.all(
      Object.values(await makeSmallImage({ os: 'mine', size: 4096 }))
        .slice(1)
        .map((path) => readFile(path)),
    );
    if (metadata === undefined || mine === undefined) throw new Error('no image');
    for (const bytes of [own, metadata, mine]) await put(stranger, bytes);
    const name = { os: 'secret', release: 'bookworm', variant: 'default' };
    const answers = [
      await publish(stranger, [metadata, mine], { aliases: ['secret-alias'] }),
      await publish(stranger, [metadata, root]),
    ];
    const product = encodeURIComponent(published.product);
    answers.push(
      await server.request(`/api/v1/products/${product}/versions/${published.serial}`, {
        method: 'DELETE',
        token: stranger,
      }),
      await server.request('/api/v1/aliases/secret-alias', { method: 'DELETE', token: stranger }),
      await server.request('/api/v1/aliases/secret-alias', {
        method: 'PUT',
        token: stranger,
        body: JSON.stringify({ ...name, os: 'mine' }),
      }),
      await server.request('/api/v1/aliases/fresh', {
        method: 'PUT',
        token: stranger,
        body: JSON.stringify(name),
      }),
    );
    // The same product may be in their own stream, but its alias is another's.
    const elsewhere = await publish(stranger, [metadata, mine], { os: 'secret', aliases: [] });
    expect(elsewhere.status).toBe(201);
    expect(elsewhere.json()).toMatchObject({
      aliases: [],
      warnings: expect.arrayContaining([expect.stringContaining('another product')]),
    });
    expect(elsewhere.body.toString()).not.toMatch(/secret-team|local/);
    const texts = answers.map(({ body }) => body.toString());
    for (const text of texts) expect(text).not.toMatch(/secret-team|local|20260101_0000/);
    const absent = await server.request('/api/v1/aliases/no-alias', { method: 'DELETE', token: stranger });
    expect(answers[3]?.status).toBe(404);
    expect(texts[3]?.replaceAll('secret-alias', 'no-alias')).toBe(absent.body.toString());
    expect(texts[0]).toContain('alias secret-alias is taken');
  });
});
