import { describe, expect, onTestFinished, test } from 'vitest';
import type { KeptDocument } from '../../../src/catalog/evidence/document-rows.ts';
import { readDocument } from '../../../src/evidence/read-document.ts';
import type { MirrorServices } from '../../../src/mirror/mirror-services.ts';
import { parseDigest } from '../../../src/model/digest.ts';
import { collectGarbage } from '../../../src/ops/garbage-collection.ts';
import { confirmOwnership } from '../../../src/ops/store-owner.ts';
import { demand } from '../../support/needs.ts';
import { runOnce, trixie } from '../guard/states.ts';
import { TestUpstream } from '../test-upstream.ts';
import { SigningKey } from '../upstream/gpg.ts';
import { definition, find, mirrorServices } from '../workspace.ts';

const sjson = 'streams/v1/images.sjson';

async function makeKey(): Promise<SigningKey> {
  demand('gpg');
  const key = await SigningKey.make('owner', { made: '20200101' });
  onTestFinished(() => key.remove());
  return key;
}

/** The evidence for a version of trixie. */
async function evidenceFor({ catalog }: MirrorServices, serial: string) {
  return await catalog.evidence.find({ stream: 'images', product: trixie, serial });
}

async function collect({ catalog, store }: MirrorServices): Promise<void> {
  await confirmOwnership(catalog, store);
  await collectGarbage(catalog, store, {
    gracePeriod: 0,
    strays: true,
    keepRemoved: 0,
    keepUnknown: 0,
    share: 100,
  });
}

async function isStored({ store }: MirrorServices, { blob }: KeptDocument): Promise<boolean> {
  for await (const { digest } of store.list()) if (digest === blob.digest) return true;
  return false;
}

describe('the documents of an upstream', () => {
  test('are kept word for word, with their signature, and the versions refer to them', async () => {
    const key = await makeKey();
    const upstream = await TestUpstream.start();
    upstream.updated = 'Wed, 02 Oct 2024 10:00:00 +0000';
    await upstream.offer(trixie, '20241001_0000');
    await upstream.sign(key, { at: '20241003' });
    const parts = await mirrorServices();
    expect((await runOnce(definition(upstream.url, { keyring: key.keyring }), parts)).outcome).toBe(
      'success',
    );

    const evidence = await evidenceFor(parts, '20241001_0000');
    expect(evidence).toMatchObject({
      owner: 'mirror:test',
      proof: 'upstream',
      upstreamName: '20241001_0000',
      upstreamProduct: trixie,
      servedBy: upstream.url,
      document: {
        mirror: 'test',
        url: upstream.url,
        path: sjson,
        contentId: 'images',
        sha256: upstream.digestOf(sjson),
        updated: new Date('2024-10-02T10:00:00Z'),
        signedAt: new Date('2024-10-03T00:00:00Z'),
        signedBy: [
          {
            fingerprint: expect.stringMatching(/^[0-9A-F]{40}$/) as string,
            userId: 'owner <owner@example.com>',
          },
        ],
      },
    });
    const [document] = await parts.catalog.evidence.documents('mirror:test');
    if (document === undefined) throw new Error('no document is kept');
    expect(document.signature).toBeUndefined();
    expect(await readDocument(parts.store, document)).toEqual(upstream.files.get(sjson));
  });

  test('are kept with a detached signature', async () => {
    const key = await makeKey();
    const upstream = await TestUpstream.start();
    await upstream.offer(trixie, '20241001_0000');
    for (const name of ['index', 'images']) {
      const path = `streams/v1/${name}.json`;
      upstream.files.set(`${path}.gpg`, await key.detached(upstream.files.get(path)?.toString() ?? ''));
    }
    const parts = await mirrorServices();
    await runOnce(definition(upstream.url, { keyring: key.keyring }), parts);
    const document = (await evidenceFor(parts, '20241001_0000'))?.document;
    if (document === undefined) throw new Error('no document is kept');
    expect(document.signature).toEqual(upstream.files.get('streams/v1/images.json.gpg'));
    expect(await readDocument(parts.store, document)).toEqual(upstream.files.get('streams/v1/images.json'));
  });

  test('that nobody signed are kept, and prove nothing', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(trixie, '20241001_0000');
    const parts = await mirrorServices();
    await runOnce(definition(upstream.url), parts);
    expect(await evidenceFor(parts, '20241001_0000')).toMatchObject({
      proof: 'none',
      document: { signedBy: [], sha256: upstream.digestOf('streams/v1/images.json') },
    });
  });

  test('are kept for versions that are listed on demand', async () => {
    const key = await makeKey();
    const upstream = await TestUpstream.start();
    await upstream.offer(trixie, '20241001_0000');
    await upstream.sign(key);
    const parts = await mirrorServices();
    await runOnce(definition(upstream.url, { keyring: key.keyring, mode: 'on-demand' }), parts);
    const evidence = await evidenceFor(parts, '20241001_0000');
    expect(evidence).toMatchObject({ proof: 'upstream', document: { path: sjson } });
    expect(evidence?.servedBy).toBeUndefined();
  });

  test('stay few: of 20 daily documents, those to which a version refers', async () => {
    const key = await makeKey();
    const upstream = await TestUpstream.start();
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, { keyring: key.keyring, keep: { versions: 2, removed: 'keep' } });
    for (let day = 1; day <= 20; day++) {
      const date = `202410${String(day).padStart(2, '0')}`;
      upstream.updated = new Date(`2024-10-${date.slice(6)}T10:00:00Z`).toUTCString();
      await upstream.offer(trixie, `${date}_0000`);
      // The upstream itself keeps the newest version only.
      for (const name of Object.keys(upstream.products[trixie]?.versions ?? {})) {
        if (name !== `${date}_0000`) delete upstream.products[trixie]?.versions[name];
      }
      upstream.announce();
      await upstream.sign(key, { at: date });
      expect((await runOnce(mirror, parts)).outcome).toBe('success');
      await collect(parts);
    }
    const { versions } = await find(parts, trixie);
    expect(versions.map(({ serial }) => serial)).toEqual(['20241019_0000', '20241020_0000']);
    const documents = await parts.catalog.evidence.documents();
    expect(documents.map(({ updated }) => updated)).toEqual([
      new Date('2024-10-19T10:00:00Z'),
      new Date('2024-10-20T10:00:00Z'),
    ]);
    for (const { serial } of versions) {
      const evidence = await evidenceFor(parts, serial);
      expect(evidence).toMatchObject({ proof: 'upstream' });
      if (evidence?.document !== undefined) await readDocument(parts.store, evidence.document);
    }
    // Files of two versions, and two documents.
    let blobs = 0;
    for await (const _ of parts.store.list()) blobs += 1;
    expect(blobs).toBe(6);
  });
});

describe('a newer document', () => {
  test('takes the place of the older one for the versions that it still lists, also of unselected ones', async () => {
    const key = await makeKey();
    const upstream = await TestUpstream.start();
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, { keyring: key.keyring });
    await upstream.offer(trixie, '20241001_0000');
    await upstream.sign(key);
    await runOnce(mirror, parts);
    const first = await evidenceFor(parts, '20241001_0000');

    await upstream.offer(trixie, '20241002_0000');
    await upstream.offer('debian:bookworm:amd64:default', '20241002_0000');
    await upstream.sign(key);
    // The version of trixie stays here, and is selected no more.
    await runOnce({ ...mirror, select: [{ release: ['bookworm'] }] }, parts);
    const [document, ...others] = await parts.catalog.evidence.documents();
    expect(others).toEqual([]);
    const moved = await evidenceFor(parts, '20241001_0000');
    expect(moved).toEqual({ ...first, document });
    expect(document?.sha256).toBe(upstream.digestOf(sjson));
  });

  test('that lists other files for a version does not vouch for it', async () => {
    const key = await makeKey();
    const upstream = await TestUpstream.start();
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, { keyring: key.keyring });
    await upstream.offer(trixie, '20241001_0000');
    await upstream.sign(key);
    await runOnce(mirror, parts);
    const before = await evidenceFor(parts, '20241001_0000');
    await upstream.offer(trixie, '20241001_0000', { size: 3000 });
    await upstream.offer(trixie, '20241002_0000');
    await upstream.sign(key);
    await runOnce(mirror, parts);
    expect(await evidenceFor(parts, '20241001_0000')).toEqual(before);
    expect(await parts.catalog.evidence.documents()).toHaveLength(2);
  });

  test('that is not signed does not take the place of a signed one', async () => {
    const key = await makeKey();
    const upstream = await TestUpstream.start();
    const parts = await mirrorServices();
    upstream.updated = 'Wed, 02 Oct 2024 10:00:00 +0000';
    await upstream.offer(trixie, '20241001_0000');
    await upstream.sign(key);
    await runOnce(definition(upstream.url, { keyring: key.keyring }), parts);
    const before = await evidenceFor(parts, '20241001_0000');
    for (const name of ['index', 'images']) upstream.files.delete(`streams/v1/${name}.sjson`);
    upstream.updated = 'Thu, 03 Oct 2024 10:00:00 +0000';
    await upstream.offer(trixie, '20241002_0000');
    await runOnce(definition(upstream.url), parts);
    expect(await evidenceFor(parts, '20241001_0000')).toEqual(before);
    expect(await evidenceFor(parts, '20241002_0000')).toMatchObject({ proof: 'none' });
  });
});

test('a version without evidence, as earlier releases mirrored it, gets it in the next run', async () => {
  const key = await makeKey();
  const upstream = await TestUpstream.start();
  const parts = await mirrorServices();
  const mirror = definition(upstream.url, { keyring: key.keyring });
  await upstream.offer(trixie, '20241001_0000');
  await upstream.sign(key);
  await runOnce(mirror, parts);
  const { items } = (await find(parts, trixie)).versions[0] ?? { items: [] };
  // Published by hand in the place of the mirrored one, as if by an earlier release.
  const added = {
    ...{ stream: 'images', owner: 'mirror:test', label: 'release', aliases: [] },
    product: { os: 'debian', release: 'trixie', architecture: 'amd64', variant: 'default' },
    details: { osTitle: 'debian', releaseTitle: 'trixie', requirements: {} },
    items: [...items],
  };
  await parts.catalog.versions.publish({ ...added, serial: '20240901_0000' }, () => Promise.resolve());
  expect((await evidenceFor(parts, '20240901_0000'))?.proof).toBeUndefined();
  // The documents have not changed, and are read all the same: once.
  upstream.takeRequests();
  expect((await runOnce(mirror, parts)).outcome).toBe('success');
  expect(upstream.takeRequests()).toContain(`GET ${sjson} 200`);
  expect(await evidenceFor(parts, '20240901_0000')).toMatchObject({ proof: 'none' });
  expect((await runOnce(mirror, parts)).outcome).toBe('unchanged');
});

test('a document whose blob was lost is kept again by the next run', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(trixie, '20241001_0000');
  const parts = await mirrorServices();
  const mirror = definition(upstream.url);
  await runOnce(mirror, parts);
  const [document] = await parts.catalog.evidence.documents();
  if (document === undefined) throw new Error('no document is kept');
  const digest = parseDigest(document.blob.digest);
  const lost = { ...document.blob, state: 'damaged', problem: 'test' } as const;
  await parts.catalog.storage.loseBlob(lost, () => parts.store.setAside(digest, 'damaged'));
  await expect(readDocument(parts.store, document)).rejects.toThrow();
  expect(await parts.catalog.storage.lostSize()).toMatchObject({ blobs: 1 });
  expect((await runOnce(mirror, parts)).outcome).toBe('success');
  expect(await readDocument(parts.store, document)).toEqual(upstream.files.get(document.path));
  expect(await parts.catalog.storage.lostSize()).toMatchObject({ blobs: 0 });
  expect((await runOnce(mirror, parts)).outcome).toBe('unchanged');
});

test('garbage collection keeps the blob of a document to which a version refers, also where its record was lost', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(trixie, '20241001_0000');
  const parts = await mirrorServices();
  await runOnce(definition(upstream.url), parts);
  const document = (await evidenceFor(parts, '20241001_0000'))?.document;
  if (document === undefined) throw new Error('no document is kept');
  const lost = { ...document.blob, state: 'damaged', problem: 'test' } as const;
  await parts.catalog.storage.loseBlob(lost, () => Promise.resolve());
  await collect(parts);
  expect(await isStored(parts, document)).toBe(true);
  // What is not held is missed: garbage collection and the check of the store know the blob.
  expect(await parts.catalog.storage.held({ digest: document.blob.digest }, 1)).toEqual([document.blob]);
  await parts.catalog.versions.remove({ stream: 'images', name: trixie }, '20241001_0000', new Date(0));
  await collect(parts);
  expect(await parts.catalog.evidence.documents()).toEqual([]);
  expect(await isStored(parts, document)).toBe(false);
});
