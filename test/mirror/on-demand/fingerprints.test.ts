import { readdir } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { onDemandDirectory } from '../../../src/mirror/download/download-directories.ts';
import { OnDemandStore } from '../../../src/mirror/on-demand/on-demand-store.ts';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { type Digest, parseDigest } from '../../../src/model/digest.ts';
import { publish } from '../../../src/publish/publisher.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, held, mirrorServices } from '../workspace.ts';

const honest = 'debian:bookworm:amd64:default';
const lying = 'fedora:43:amd64:default';
const serial = '20260101_0000';
/** A fingerprint that no image has. */
const claimed = 'ab'.repeat(32);

type Fields = Record<string, unknown>;

/** An upstream of some products, before a mirror on demand has read it. */
async function setUp(products: string[], size = 400_000) {
  const upstream = await TestUpstream.start();
  for (const product of products) await upstream.offer(product, serial, { size });
  const items = (product: string) => upstream.products[product]?.versions[serial]?.items ?? {};
  const metadata = (product: string): Fields => items(product)['lxd.tar.xz'] ?? {};
  const root = (product: string): Fields => items(product)['root.squashfs'] ?? {};
  const claim = (product: string, fingerprint: unknown) => {
    metadata(product)['combined_squashfs_sha256'] = fingerprint;
    upstream.announce();
  };
  const fingerprintOf = (product: string) => String(metadata(product)['combined_squashfs_sha256']);
  const mirror = definition(upstream.url, { mode: 'on-demand' });
  const parts = await mirrorServices();
  const ends: string[] = [];
  const errors: string[] = [];
  const store = new OnDemandStore([mirror], parts, {
    onFetched: ({ path }) => ends.push(`kept ${path.split('/').at(-1)}`),
    onFailed: ({ path }, { kind, error }) => {
      ends.push(`${kind} ${path.split('/').at(-1)}`);
      errors.push(error.message);
    },
    onEvicted: () => undefined,
    onError: (error) => expect.unreachable(String(error)),
  });
  onTestFinished(() => store.close());
  const run = async () => await runMirror(mirror, parts, { cause: 'manual' });
  const digestOf = (fields: Fields): Digest => parseDigest(String(fields['sha256']));
  const read = async (fields: Fields) => await buffer(await store.read(digestOf(fields)));
  const bytesOf = (fields: Fields) => upstream.files.get(String(fields['path']));
  /** Publishes files of the upstream as another product. */
  const publishHere = async (of: { metadata: Fields; root: Fields }) => {
    const files = [];
    for (const fields of [of.metadata, of.root]) {
      const name = String(fields['path']);
      const bytes = upstream.files.get(name) ?? Buffer.alloc(0);
      const { digest } = await parts.destination.store({ from: 'memory', name, bytes });
      files.push({ from: 'blob' as const, name, digest });
    }
    return await publish(parts.destination, { files, variant: 'mine' });
  };
  return {
    ...{ upstream, parts, store, run, read, metadata, root, claim, fingerprintOf, bytesOf, digestOf },
    ...{ ends, errors, publishHere },
  };
}

async function refusals({ catalog }: Awaited<ReturnType<typeof setUp>>['parts']) {
  const entries = await catalog.audit.list({ limit: 100 });
  return entries
    .filter(({ action }) => action === 'version.refuse')
    .map(({ who, subject }) => `${who} ${subject}`);
}

test.each([
  ['the metadata', ['metadata', 'root'] as const],
  ['the root', ['root', 'metadata'] as const],
])('an image is served whose bytes have the fingerprint of the document: %s first', async (_, order) => {
  const world = await setUp([honest]);
  expect((await world.run()).outcome).toBe('success');
  expect((await world.parts.catalog.images.find(world.fingerprintOf(honest)))[0]?.isComputed).toBe(false);
  for (const file of order) {
    const fields = world[file](honest);
    expect((await world.read(fields)).equals(world.bytesOf(fields) ?? Buffer.alloc(0))).toBe(true);
  }
  expect((await world.parts.catalog.images.find(world.fingerprintOf(honest)))[0]?.isComputed).toBe(true);
  expect(await held(world.parts)).toEqual([`${honest}@${serial}`]);
});

test.each([
  ['metadata', 'root'],
  ['root', 'metadata'],
] as const)(
  'an image whose bytes have another fingerprint is never served whole, and is taken out of the documents: %s first',
  async (first, second) => {
    const world = await setUp([honest, lying]);
    const computed = world.fingerprintOf(lying);
    world.claim(lying, claimed);
    expect((await world.run()).outcome).toBe('success');
    const reads = await Promise.allSettled([first, second].map((file) => world.read(world[file](lying))));
    expect(reads.some(({ status }) => status === 'rejected')).toBe(true);
    expect(await held(world.parts)).toEqual([`${honest}@${serial}`]);
    expect(await refusals(world.parts)).toEqual([`mirror:test ${lying}@${serial}`]);
    await expect.poll(() => world.errors.join()).toContain(computed);
    expect(world.errors.join()).toContain(claimed);
    expect(await world.parts.store.stat(world.digestOf(world.root(lying)))).toBeUndefined();
    await expect.poll(() => readdir(onDemandDirectory(world.parts.dataDir))).toEqual([]);
    // The next run knows what the bytes were.
    world.upstream.products[honest] = { ...world.upstream.products[honest], title: 'new', versions: {} };
    world.claim(lying, claimed);
    const { outcome, report } = await world.run();
    expect(outcome).toBe('partial');
    expect(report.failed[0]?.error).toContain(computed);
    expect(report.failed[0]?.error).toContain(claimed);
  },
);

test('a reader gets no byte of a range, and not the last one of the whole', async () => {
  const world = await setUp([honest]);
  world.claim(honest, claimed);
  await world.run();
  const digest = world.digestOf(world.root(honest));
  const size = Number(world.root(honest)['size']);
  const count = async (range?: { start: number; end: number }) => {
    let bytes = 0;
    try {
      for await (const chunk of await world.store.read(digest, range)) bytes += (chunk as Buffer).length;
    } catch (error) {
      return { bytes, failed: String(error).includes(claimed) };
    }
    return { bytes, failed: false };
  };
  const [whole, part] = await Promise.all([count(), count({ start: 0, end: 1000 })]);
  expect(whole.failed && whole.bytes < size).toBe(true);
  expect(part).toEqual({ bytes: 0, failed: true });
});

test('a false listing keeps nobody from a file that another version has', async () => {
  const world = await setUp([honest, lying]);
  const items = world.upstream.products[lying]?.versions[serial]?.items ?? {};
  items['root.squashfs'] = { ...world.root(honest) };
  world.claim(lying, claimed);
  await world.run();
  expect(await held(world.parts)).toHaveLength(2);
  await expect(world.read(world.root(honest))).rejects.toThrow(claimed);
  expect(await held(world.parts)).toEqual([`${honest}@${serial}`]);
  await expect.poll(() => world.ends).toContain('failed rootfs.squashfs');
  const asked = world.upstream.requests.filter((request) => request.includes('rootfs.squashfs')).length;
  const bytes = await world.read(world.root(honest));
  expect(bytes.equals(world.bytesOf(world.root(honest)) ?? Buffer.alloc(0))).toBe(true);
  expect(world.upstream.requests.filter((request) => request.includes('rootfs.squashfs'))).toHaveLength(
    asked,
  );
});

test('files that are here already, of other images, are checked before they make a listed one', async () => {
  const world = await setUp([honest, lying, 'alpine:3.23:amd64:default']);
  const items = world.upstream.products[lying]?.versions[serial]?.items ?? {};
  items['root.squashfs'] = { ...world.root(honest) };
  world.claim(lying, claimed);
  await world.run();
  // The root is here with metadata of its own, and the metadata with a root of its own.
  await world.publishHere({ metadata: world.metadata(honest), root: world.root(honest) });
  await world.publishHere({
    metadata: world.metadata(lying),
    root: world.root('alpine:3.23:amd64:default'),
  });
  await expect(world.read(world.metadata(lying))).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining(claimed),
  });
  expect(await refusals(world.parts)).toEqual([`mirror:test ${lying}@${serial}`]);
  expect(world.errors.join()).toContain(claimed);
  expect((await world.read(world.root(honest))).length).toBe(Number(world.root(honest)['size']));
});

test('a listing with the fingerprint of an image that is here is refused', async () => {
  const world = await setUp([honest, lying]);
  const { images } = await world.publishHere({ metadata: world.metadata(honest), root: world.root(honest) });
  world.claim(lying, images[0]?.fingerprint);
  const { outcome, report } = await world.run();
  expect(outcome).toBe('partial');
  expect(report.failed).toMatchObject([
    { product: lying, error: expect.stringContaining(String(images[0]?.fingerprint)) },
  ]);
  // The same files are the same image.
  expect(await held(world.parts)).toEqual([
    `${honest}@${serial}`,
    expect.stringMatching(/^debian:bookworm:amd64:mine@/),
  ]);
});

test('a listing with the fingerprint of an image that comes here later goes', async () => {
  const world = await setUp([honest, lying]);
  const fingerprint = world.fingerprintOf(honest);
  world.claim(lying, fingerprint);
  expect((await world.run()).outcome).toBe('success');
  expect(await world.parts.catalog.images.find(fingerprint)).toHaveLength(2);
  await world.publishHere({ metadata: world.metadata(honest), root: world.root(honest) });
  const found = await world.parts.catalog.images.find(fingerprint);
  expect(new Set(found.map(({ root }) => root.digest))).toEqual(new Set([world.root(honest)['sha256']]));
  expect(await refusals(world.parts)).toEqual([`local:test ${lying}@${serial}`]);
});

test('a listing with the fingerprint of an image that is fetched goes', async () => {
  const world = await setUp([honest, lying]);
  world.claim(lying, world.fingerprintOf(honest));
  expect((await world.run()).outcome).toBe('success');
  await world.read(world.root(honest));
  expect(await held(world.parts)).toEqual([`${honest}@${serial}`]);
});

test('two listings whose files are each other’s metadata keep nobody waiting', async () => {
  const world = await setUp([honest, lying]);
  const [one, other] = [honest, lying].map(
    (name) => world.upstream.products[name]?.versions[serial]?.items ?? {},
  );
  if (one === undefined || other === undefined) throw new Error('there are no versions');
  const [first, second] = [{ ...one['root.squashfs'] }, { ...other['root.squashfs'] }];
  one['lxd.tar.xz'] = { ...second, ftype: 'lxd.tar.xz', combined_squashfs_sha256: claimed };
  other['lxd.tar.xz'] = { ...first, ftype: 'lxd.tar.xz', combined_squashfs_sha256: claimed };
  world.upstream.announce();
  await world.run();
  expect(await held(world.parts)).toHaveLength(2);
  const reads = await Promise.allSettled([first, second].map((fields) => world.read(fields)));
  expect(reads.map(({ status }) => status)).toContain('rejected');
  expect(await held(world.parts)).toEqual([]);
});
