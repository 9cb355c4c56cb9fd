import { describe, expect, test } from 'vitest';
import type { Overrides } from '../../../src/config/load.ts';
import { TestUpstream } from '../../mirror/test-upstream.ts';
import { ended, makeImage, upload } from '../../support/push-images.ts';
import { type RegistryAnswer, RegistryClient } from '../../support/registry-client.ts';
import { TestServer } from '../../support/server.ts';
import { copyFrom } from './copy-requests.ts';
import { FakeDaemon, pull } from './fake-daemon.ts';

const product = 'debian:bookworm:amd64:default';
/** Bytes that roots have at least. Versions that are followed by a newer one are smaller. */
const size = 20_000;
const less = '10KiB';

interface Setting {
  server: TestServer;
  client: RegistryClient;
  upstream: TestUpstream;
}

/** The fingerprint of an image that came, or why it did not. */
type Outcome = { fingerprint: string } | { error: string };

async function setting({ registry, ...more }: Overrides = {}): Promise<Setting> {
  const upstream = await TestUpstream.start();
  const sources = { pullFrom: ['127.0.0.1'], mirrorFrom: [{ url: upstream.url, unsigned: true as const }] };
  const server = await TestServer.start({ ...more, registry: { ...registry, ...sources } });
  // It may publish elsewhere, too: which of the streams it is, the policy says.
  const streams = ['images', registry?.stream ?? 'pushed'];
  return { server, client: await RegistryClient.joined(server, { streams }), upstream };
}

async function outcomeOf(client: RegistryClient, answer: RegistryAnswer): Promise<Outcome> {
  if (answer.status !== 202) return { error: answer.error };
  const { status, err, metadata } = await ended(client, answer);
  if (status !== 'Success') return { error: String(err) };
  return { fingerprint: (metadata as { fingerprint: string }).fingerprint };
}

/** Each way in which an image reaches the alias `app`. */
const ways = {
  'an upload': async ({ client }: Setting) =>
    await outcomeOf(client, await upload(client, await makeImage(), { 'X-LXD-aliases': 'alias=app' })),

  'an upload that was announced': async ({ server, client }: Setting) => {
    const image = await makeImage();
    const source = { type: 'image', mode: 'push', fingerprint: image.fingerprint };
    const json = { source, aliases: [{ name: 'app' }] };
    const { metadata } = await client.request('POST', '/1.0/images', { json });
    const { secret } = metadata['metadata'] as { secret: string };
    const daemon = RegistryClient.anonymous(server);
    const answer = await upload(daemon, image, { 'X-LXD-secret': secret });
    if (answer.status !== 202) return { error: answer.error };
    return { fingerprint: image.fingerprint };
  },

  'a pull from a daemon': async ({ client }: Setting) => {
    const image = await makeImage();
    const { url, certificate } = await FakeDaemon.start(image);
    const source = { server: url, certificate, fingerprint: image.fingerprint, secret: 'sesame' };
    return await outcomeOf(client, await pull(client, source, [{ name: 'app' }]));
  },

  'a copy from an image server': async ({ client, upstream }: Setting) => {
    await upstream.offer(product, nextSerial(upstream), { size });
    const aliases = [{ name: 'app' }];
    return await outcomeOf(client, await copyFrom(client, upstream.url, 'debian/bookworm', { aliases }));
  },

  'a newer version of a copy': async ({ client, upstream }: Setting) => {
    await upstream.offer(product, nextSerial(upstream), { size: 100 });
    const request = { auto_update: true, aliases: [{ name: 'app' }] };
    const copied = await outcomeOf(client, await copyFrom(client, upstream.url, 'debian/bookworm', request));
    if ('error' in copied) throw new Error(copied.error);
    await upstream.offer(product, nextSerial(upstream), { size });
    const answer = await client.request('POST', `/1.0/images/${copied.fingerprint}/refresh`, { json: {} });
    const { status, err } = await ended(client, answer);
    if (status !== 'Success') return { error: String(err) };
    const { metadata } = await client.get('/1.0/images/aliases/app');
    return { fingerprint: String(metadata['target']) };
  },
} satisfies Record<string, (setting: Setting) => Promise<Outcome>>;

/** The serial of the next day. */
function nextSerial({ products }: TestUpstream): string {
  const day = Object.keys(products[product]?.versions ?? {}).length + 1;
  return `202601${String(day).padStart(2, '0')}_0000`;
}

async function digestsOf({ server }: Setting): Promise<number> {
  return (await server.workspace.catalog.blobs.digests()).size;
}

describe.each(Object.entries(ways))('%s', (_, take) => {
  test.each<[string, Overrides, RegExp]>([
    ['limits.uploadSize', { limits: { uploadSize: less } }, /limits\.uploadSize/],
    [
      'registry.streamQuota',
      { registry: { streamQuota: less } },
      /quota of the stream pushed is 10240 bytes/,
    ],
    ['registry.entryQuota', { registry: { entryQuota: less } }, /quota of client:.* is 10240 bytes/],
  ])('is refused beyond %s', async (__, overrides, reason) => {
    const at = await setting(overrides);
    expect(await take(at)).toEqual({ error: expect.stringMatching(reason) });
    // A copy that came before, for the newer version, stays with its two files.
    const { metadata } = await at.client.get('/1.0/images');
    await expect.poll(() => digestsOf(at)).toBe((metadata as unknown as string[]).length * 2);
  });

  test('goes to registry.stream, which keeps as many versions as registry.keep says', async () => {
    const at = await setting({ registry: { stream: 'kept', keep: 1 } });
    const [first, second] = [await take(at), await take(at)];
    const expected = { fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) };
    expect([first, second]).toEqual([expected, expected]);
    const { catalog } = at.server.workspace;
    const [image] = await catalog.images.byAlias('app');
    expect({ fingerprint: image?.fingerprint }).toEqual(second);
    expect(image?.product.stream).toBe('kept');
    const found = await catalog.products.find({ stream: 'kept', name: image?.product.name ?? '' });
    expect(found?.versions.map(({ serial }) => serial)).toEqual([image?.serial]);
  });
});
