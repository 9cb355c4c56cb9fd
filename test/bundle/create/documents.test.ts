import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { beginBundle, writeBundle } from '../../../src/bundle/create/create.ts';
import { nextBundle } from '../../../src/bundle/create/next-bundle.ts';
import { siteWish } from '../../../src/bundle/create/site-wish.ts';
import { contentOf } from '../../../src/bundle/format/content.ts';
import { parseManifest, renderManifest } from '../../../src/bundle/format/manifest.ts';
import type { Manifest } from '../../../src/bundle/format/manifest-schema.ts';
import { PassingBlobs } from '../../../src/bundle/format/passing-blobs.ts';
import { readVolume } from '../../../src/bundle/format/read-volume.ts';
import { packManifest } from '../../../src/bundle/format/volume-bytes.ts';
import { isWhole, verifyDirectory } from '../../../src/bundle/verify/verify.ts';
import type { MirrorServices } from '../../../src/mirror/mirror-services.ts';
import { runOnce, trixie } from '../../mirror/guard/states.ts';
import { TestUpstream } from '../../mirror/test-upstream.ts';
import { SigningKey } from '../../mirror/upstream/gpg.ts';
import { definition, mirrorServices } from '../../mirror/workspace.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { attempt, run } from '../../support/command.ts';
import { demand } from '../../support/needs.ts';

/** A mirror of an upstream that signs, and a way to write bundles of it. */
async function setUp({ detached = false } = {}) {
  demand('gpg');
  const key = await SigningKey.make('owner', { made: '20200101' });
  onTestFinished(() => key.remove());
  const upstream = await TestUpstream.start();
  await upstream.offer(trixie, '20241001_0000');
  if (!detached) await upstream.sign(key, { at: '20241003' });
  for (const path of detached ? ['streams/v1/index.json', 'streams/v1/images.json'] : []) {
    upstream.files.set(`${path}.gpg`, await key.detached(upstream.files.get(path)?.toString() ?? ''));
  }
  const parts = await mirrorServices();
  const mirror = definition(upstream.url, { keyring: key.keyring });
  expect((await runOnce(mirror, parts)).outcome).toBe('success');
  const output = await scratchDirectory();
  return { key, upstream, parts, mirror, output, create: () => create(parts, output) };
}

async function create(parts: MirrorServices, output: string, limit = 3 * 2 ** 20) {
  const services = { ...parts, sign: async () => 'a signature' };
  const wish = siteWish(
    'vault-7',
    { limit },
    { config: { site: 'hq', streams: {} }, definition: undefined, streams: ['images'] },
  );
  const next = await nextBundle(services, wish, undefined);
  const bundle = next.begun ?? (await beginBundle(next.manifest, services, next.repeated));
  const { directory, manifest } = await writeBundle(bundle, output, services);
  return { directory, manifest };
}

test('the signed documents of upstreams travel word for word', async () => {
  const { key, upstream, create: write } = await setUp();
  const { directory, manifest } = await write();
  const [document] = manifest.documents ?? [];
  const sha256 = upstream.digestOf('streams/v1/images.sjson');
  expect(document).toMatchObject({
    ...{ sha256, detached: false, mirror: 'test', url: upstream.url, path: 'streams/v1/images.sjson' },
    ...{ contentId: 'images', signedAt: '2024-10-03T00:00:00.000Z' },
    signedBy: [expect.stringMatching(/^[0-9A-F]{40}$/)],
  });
  expect(manifest.versions).toMatchObject([
    { document: sha256, upstreamName: '20241001_0000', upstreamProduct: trixie },
  ]);
  const volume = join(directory, 'vault-7-0001.0001.tar');
  const members = (await run('tar', ['-tf', volume])).trim().split('\n');
  expect(members.slice(0, 3)).toEqual(['bundle.json.gz', 'bundle.json.asc', `documents/${sha256}`]);
  await run('tar', ['-xf', volume, '-C', directory, `documents/${sha256}`]);
  const carried = join(directory, 'documents', sha256);
  expect(await readFile(carried)).toEqual(upstream.files.get('streams/v1/images.sjson'));
  expect(
    await attempt('gpg', ['--no-default-keyring', '--keyring', key.keyring, '--verify', carried]),
  ).toMatchObject({ code: 0 });
  await rm(join(directory, 'documents'), { recursive: true });
  expect(isWhole(await verifyDirectory(directory, async () => undefined))).toBe(true);
});

test('a detached signature travels beside its document, and both are read back', async () => {
  const { create: write } = await setUp({ detached: true });
  const { directory, manifest } = await write();
  const [document] = manifest.documents ?? [];
  expect(document).toMatchObject({ detached: true, path: 'streams/v1/images.json' });
  const seen = await readDocuments(directory, manifest);
  expect(seen).toEqual([
    [`documents/${document?.sha256}`, document?.sha256],
    [`documents/${document?.sha256}.gpg`, document?.signature?.sha256],
  ]);
});

/** The documents that a reader of volume 1 is given, with the digests of their bytes. */
async function readDocuments(directory: string, manifest: Manifest): Promise<string[][]> {
  const bytes = await readFile(join(directory, 'bundle.json'));
  const signed = { manifest: bytes, signature: Buffer.from('a signature') };
  const head = { manifest: packManifest(bytes), signature: signed.signature };
  const [volume = ''] = (await readdir(directory)).filter((name) => name.endsWith('.0001.tar'));
  const source = [await readFile(join(directory, volume))];
  const seen: string[][] = [];
  const { problems } = await readVolume(
    (async function* () {
      yield* source;
    })(),
    { ...contentOf(manifest, head, 1), ...signed },
    new PassingBlobs(),
    ({ name }, content) => void seen.push([name, createHash('sha256').update(content).digest('hex')]),
  );
  expect(problems).toEqual([]);
  return seen;
}

test('a document that is no longer kept ends the bundle, and a damaged one is found', async () => {
  const { parts, output, create: write } = await setUp();
  const { directory, manifest } = await write();
  const [document] = manifest.documents ?? [];
  const path = join(directory, 'vault-7-0001.0001.tar');
  const volume = await readFile(path);
  const at = volume.indexOf('-----BEGIN PGP SIGNED MESSAGE');
  expect(at).toBeGreaterThan(0);
  volume.writeUInt8(volume.readUInt8(at + 60) ^ 1, at + 60);
  await writeFile(path, volume);
  const report = await verifyDirectory(directory, async () => undefined);
  expect(report.volumes[0]?.problems).toContain(`documents/${document?.sha256} is damaged`);
  expect(report.lost).toEqual([]);

  const found = await parts.catalog.bundles.find('vault-7', 1);
  if (found === undefined) throw new Error('the ledger lost it');
  const other = await mirrorServices();
  const services = { ...other, sign: async () => 'a signature' };
  await expect(writeBundle(found, join(output, 'again'), services)).rejects.toThrow('no longer kept');
});

test('a bundle is written again although its mirror has newer documents by now', async () => {
  const { key, upstream, parts, mirror, output, create: write } = await setUp();
  const { directory } = await write();
  await upstream.offer(trixie, '20241101_0000');
  await upstream.sign(key, { at: '20241103' });
  expect((await runOnce(mirror, parts)).outcome).toBe('success');
  // What garbage collection does after the grace period.
  await parts.catalog.versions.forget(new Date(Date.now() + 60_000));
  const found = await parts.catalog.bundles.find('vault-7', 1);
  if (found === undefined) throw new Error('the ledger lost it');
  const again = await writeBundle(found, join(output, 'again'), {
    ...parts,
    sign: async () => 'a signature',
  });
  const volume = 'vault-7-0001.0001.tar';
  expect(await readFile(join(again.directory, volume))).toEqual(await readFile(join(directory, volume)));
});

test('a manifest whose documents and versions do not agree is refused', async () => {
  const { create: write } = await setUp();
  const { manifest } = await write();
  const [document] = manifest.documents ?? [];
  if (document === undefined) throw new Error('no document');
  const parse = (changes: Partial<Manifest>) => () =>
    parseManifest(renderManifest({ ...manifest, ...changes }), 'it');
  expect(parse({})).not.toThrow();
  expect(parse({ documents: [] })).toThrow(/refers to document [0-9a-f]{64}, which is missing/);
  expect(parse({ documents: [document, document] })).toThrow('is listed twice');
  expect(parse({ documents: [{ ...document, detached: true }] })).toThrow('a detached signature has a size');
  expect(parse({ documents: [document, { ...document, sha256: '0'.repeat(64) }] })).toThrow(
    'belongs to no version',
  );
});
