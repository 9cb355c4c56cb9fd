import { expect, test } from 'vitest';
import type { DocumentRecord } from '../../../src/catalog/evidence/document-rows.ts';
import { draft, scratchCatalog, sha256, stored } from '../../support/catalog.ts';

const owner = 'mirror:hq';
const product = 'debian:bookworm:amd64:default';

function document(name: string, changes: Partial<DocumentRecord> = {}): DocumentRecord {
  return {
    ...{ owner, sha256: sha256(name), blob: { digest: sha256(`${name} packed`), size: 10 } },
    ...{
      mirror: 'debian',
      url: 'https://images.example.com',
      path: 'streams/v1/images.sjson',
      contentId: 'images',
    },
    ...{ signedBy: [{ fingerprint: 'AB' }], fetchedAt: new Date(1000) },
    ...changes,
  };
}

test('the evidence for an imported version tells its bundle, and is replaced as a whole', async () => {
  const catalog = await scratchCatalog();
  await catalog.versions.publish(draft({ owner, upstreamName: '20260101' }), stored);
  const version = { stream: 'images', product, serial: '20260101_0000' };
  const bundle = { identity: sha256('7'), sequence: 7, site: 'hq', signer: 'CD', operator: 'local:root' };
  const id = await catalog.evidence.keep(document('one', { signature: Buffer.from([1, 2]) }), stored);
  const evidence = { proof: 'upstream', document: id, upstreamProduct: 'debian', bundle } as const;
  const at = new Date(2000);
  await catalog.evidence.record([
    { ...version, evidence, recordedAt: at },
    { ...version, serial: '20250101_0000', evidence },
  ]);
  expect(await catalog.evidence.find(version)).toEqual({
    ...version,
    ...{ owner, upstreamName: '20260101', ...evidence, recordedAt: at },
    document: { ...document('one'), id, signature: Buffer.from([1, 2]) },
  });
  await catalog.evidence.record([{ ...version, evidence: { proof: 'site' } }], at);
  expect(await catalog.evidence.find(version)).toEqual({
    ...version,
    ...{ owner, upstreamName: '20260101', proof: 'site', recordedAt: at },
  });
  expect(await catalog.evidence.ofOwner(owner)).toHaveLength(1);
  expect(await catalog.evidence.ofOwner('mirror:other')).toEqual([]);
});

test('a document is kept once for each owner, and a later signature takes the place of the first', async () => {
  const catalog = await scratchCatalog();
  const id = await catalog.evidence.keep(document('one'), stored);
  const again = { signedBy: [{ fingerprint: 'EF', userId: 'new' }], signedAt: new Date(5000) };
  expect(await catalog.evidence.keep(document('one', again), stored)).toBe(id);
  expect(await catalog.evidence.keep(document('one', { owner: 'mirror:b' }), stored)).not.toBe(id);
  expect(await catalog.evidence.documents(owner)).toEqual([{ ...document('one', again), id }]);
});

test('a document whose blob is not stored is not kept', async () => {
  const catalog = await scratchCatalog();
  const lost = () => Promise.reject(new Error('lost'));
  await expect(catalog.evidence.keep(document('one'), lost)).rejects.toThrow('lost');
  expect(await catalog.evidence.documents()).toEqual([]);
  expect(await catalog.blobs.any()).toBe(false);
});

test('a version is recorded together with its evidence, and a document stays as long as a version refers to it', async () => {
  const catalog = await scratchCatalog();
  const [used, unused] = [
    await catalog.evidence.keep(document('one'), stored, new Date(0)),
    await catalog.evidence.keep(document('two'), stored, new Date(0)),
  ];
  const evidence = { proof: 'upstream', document: used } as const;
  await catalog.versions.publish(draft({ owner, evidence }), stored);
  const version = { stream: 'images', product, serial: '20260101_0000' };
  expect(await catalog.evidence.find(version)).toMatchObject({ proof: 'upstream', document: { id: used } });
  expect(await catalog.evidence.isLacking(owner)).toBe(false);
  const ids = async () => (await catalog.evidence.documents()).map(({ id }) => id);
  expect(await ids()).toEqual([used, unused]);
  await catalog.versions.forget(new Date());
  expect(await ids()).toEqual([used]);

  // A version that comes back refers to the document of its new publish.
  const next = await catalog.evidence.keep(document('three'), stored);
  await catalog.versions.remove({ stream: 'images', name: product }, version.serial);
  expect(await catalog.evidence.find(version)).toBeUndefined();
  await catalog.versions.publish(draft({ owner, evidence: { proof: 'none', document: next } }), stored);
  expect(await catalog.evidence.find(version)).toMatchObject({ proof: 'none', document: { id: next } });
  expect(await catalog.evidence.forgetUnused(owner)).toBe(1);
  expect(await ids()).toEqual([next]);
});
