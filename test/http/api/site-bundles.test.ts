import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import http from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { verifyStream } from '../../../src/bundle/verify/verify.ts';
import type { MirrorDefinition } from '../../../src/config/mirror-schema.ts';
import { Verifier } from '../../../src/keys/verifier.ts';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { damage } from '../../cli/commands/bundles/bundle-site.ts';
import { TestUpstream } from '../../mirror/test-upstream.ts';
import { definition } from '../../mirror/workspace.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { TestServer } from '../../support/server.ts';
import { scratchKey } from '../../support/signing.ts';
import { makeSmallImage } from '../../support/small-images.ts';

const path = '/api/v1/bundles/vault-7';

/** A server with a signing key and an image. */
async function setUp({ size = 100_000, mirrors = [] as MirrorDefinition[] } = {}) {
  const { key, keyring } = await scratchKey();
  const bundleDir = await scratchDirectory();
  const settings = { tls: 'off', site: 'hq', signing: { key }, bundleDir } as const;
  const server = await TestServer.start(settings, mirrors);
  const token = await server.token(['admin']);
  const ask = async (body?: unknown, to = path) =>
    await server.request(to, {
      ...{ method: 'POST', scheme: 'http', token },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const publish = async (serial: string, bytes = size) => {
    const { metadata, root } = await makeSmallImage({ serial, size: bytes });
    await server.publish({
      files: [metadata, root].map((file) => ({ from: 'disk', name: file, path: file })),
    });
  };
  const ledger = async () =>
    (await server.workspace.catalog.bundles.list()).map(({ finishedAt }) => finishedAt !== undefined);
  const verify = async (stream: Buffer) => {
    const verifier = await Verifier.open(keyring);
    return await verifyStream(Readable.from([stream]), 'the answer', async (bytes, signature, where) => {
      await verifier.detached(bytes, signature, where);
      return 'the key';
    });
  };
  await publish('20260101_0000');
  return { server, token, ask, publish, ledger, verify, bundleDir };
}

test('the answer is the next bundle, signed and whole, and counts as sent', async () => {
  const { server, ask, publish, ledger, verify } = await setUp();
  const first = await ask();
  expect(first.status).toBe(200);
  expect(first.headers).toMatchObject({
    'content-type': 'application/x-tar',
    'content-length': String(first.body.length),
    'content-disposition': 'attachment; filename="vault-7-0001.tar"',
  });
  const report = await verify(first.body);
  expect(report).toMatchObject({ problems: [], lost: [], bundle: { content: { site: 'hq', sequence: 1 } } });
  await expect.poll(ledger).toEqual([true]);
  await publish('20260102_0000');
  const second = await verify((await ask({ label: 'November' })).body);
  expect(second.bundle.content).toMatchObject({ sequence: 2, label: 'November' });
  expect(second.bundle.content.assumed.length).toBeGreaterThan(0);
  expect((await ask({ again: 1 })).body.equals(first.body)).toBe(true);
  const entries = await server.workspace.catalog.audit.list({ limit: 100 });
  expect(entries.find(({ action }) => action === 'bundle.create')?.who).toMatch(/^token:/);
});

test('the definition of the site counts, and the request overrides it', async () => {
  const { ask, publish, verify, bundleDir } = await setUp();
  await publish('20260102_0000');
  await writeFile(join(bundleDir, 'vault-7.yaml'), 'keep: {versions: 1}\nmaxSize: 2KiB\n');
  const small = await ask();
  expect(small.status).toBe(422);
  expect(small.body.toString()).toContain('maxSize: 2048 bytes are too few');
  const { content } = (await verify((await ask({ maxSize: '10MiB' })).body)).bundle;
  expect(content.versions.map(({ serial }) => serial)).toEqual(['20260102_0000']);
});

test('a client that leaves gets the same bundle the next time', async () => {
  const { server, token, ask, ledger, verify } = await setUp({ size: 24_000_000 });
  const request = http.request(server.url(path, 'http'), {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  });
  request.end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  await once(response, 'data');
  response.destroy();
  await expect.poll(ledger).toEqual([false]);
  const { body } = await ask();
  expect((await verify(body)).bundle.content.sequence).toBe(1);
  await expect.poll(ledger).toEqual([true]);
});

test('files that a mirror lists on demand are refused, or downloaded first', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer('alpine:edge:amd64:default', '20260105_0000');
  const mirror = definition(upstream.url, { mode: 'on-demand' });
  const { server, ask, verify } = await setUp({ mirrors: [mirror] });
  const parts = { ...server.workspace, dataDir: server.config.dataDir };
  expect((await runMirror(mirror, parts, { cause: 'manual' })).outcome).toBe('success');
  const refused = await ask();
  expect(refused.status).toBe(409);
  expect(refused.body.toString()).toContain('alpine:edge:amd64:default 20260105_0000 are not stored');
  const { problems, bundle } = await verify((await ask({ fetch: true, mirrors: ['test'] })).body);
  expect(problems).toEqual([]);
  expect(bundle.content.products.map(({ name }) => name)).toEqual(['alpine:edge:amd64:default']);
});

test('wrong requests are refused', async () => {
  const { ask } = await setUp();
  for (const body of [{ since: 'never' }, { maxSize: 'much' }, { again: 0 }, { streams: [] }, { to: 'x' }]) {
    expect({ body, status: (await ask(body)).status }).toEqual({ body, status: 422 });
  }
  expect((await ask({}, '/api/v1/bundles/Vault')).status).toBe(422);
  expect((await ask({ again: 9 })).status).toBe(404);
  expect((await ask({ since: 'acknowledged' })).status).toBe(422);
});

test('a server without a signing key writes no bundles', async () => {
  const server = await TestServer.start({ tls: 'off' });
  const { status, body } = await server.request(path, {
    ...{ method: 'POST', scheme: 'http', token: await server.token(['admin']) },
  });
  expect(status).toBe(409);
  expect(body.toString()).toContain('this server has no signing key');
});

test('a damaged blob breaks the answer off, and the bundle does not count', async () => {
  const { server, token, ledger } = await setUp({ size: 3_000_000 });
  const { catalog } = server.workspace;
  const [product] = await catalog.products.named('debian:bookworm:amd64:default');
  const root = product?.versions[0]?.items.find(({ type }) => type === 'squashfs');
  const digest = root?.digest ?? '';
  await damage(join(server.config.dataDir, 'blobs/sha256', digest.slice(0, 2), digest), 2_000_000);
  const broken = server.request(path, { method: 'POST', scheme: 'http', token });
  await expect(broken).rejects.toThrow();
  expect(await ledger()).toEqual([false]);
});
