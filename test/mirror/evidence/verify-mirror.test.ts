import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { MirrorDefinition } from '../../../src/config/mirror-schema.ts';
import { isReadToday, verifyMirror } from '../../../src/mirror/evidence/verify-mirror.ts';
import { parseDigest } from '../../../src/model/digest.ts';
import { adoptStore } from '../../../src/ops/store-owner.ts';
import { verifyBlob } from '../../../src/ops/verify/verify.ts';
import { flip } from '../../ops/scrub/flip.ts';
import { demand } from '../../support/needs.ts';
import { bookworm, runOnce, trixie } from '../guard/states.ts';
import { TestUpstream } from '../test-upstream.ts';
import { SigningKey } from '../upstream/gpg.ts';
import { definition, find, mirrorServices } from '../workspace.ts';

afterEach(() => {
  vi.useRealTimers();
});

async function makeKey(name = 'owner', options: { expires?: string } = {}): Promise<SigningKey> {
  demand('gpg');
  const key = await SigningKey.make(name, { made: '20200101', ...options });
  onTestFinished(() => key.remove());
  return key;
}

/** A mirror of a signed upstream, with a version of each of two products. */
async function setUp(options: { key?: SigningKey; mode?: MirrorDefinition['mode'] } = {}) {
  const key = options.key ?? (await makeKey());
  const upstream = await TestUpstream.start();
  await upstream.offer(trixie, '20241001_0000');
  await upstream.offer(bookworm, '20241001_0000', { size: 3000 });
  await upstream.sign(key, { at: '20241002' });
  const parts = await mirrorServices();
  await adoptStore(parts.catalog, parts.store);
  const mirror = definition(upstream.url, { keyring: key.keyring, mode: options.mode ?? 'scheduled' });
  expect((await runOnce(mirror, parts)).outcome).toBe('success');
  /** The result and the reasons of each version, by its product. */
  const verify = async (changes: Partial<MirrorDefinition> = {}, how = { read: false, repair: false }) => {
    const checked = await verifyMirror({ ...mirror, ...changes }, parts, {
      checkBlob: (digest) => verifyBlob(parts, digest, how),
    });
    return Object.fromEntries(
      checked.map(({ product, result, reasons, ...rest }) => [product, { ...rest, result, reasons }]),
    );
  };
  const sql = (text: string, ...values: string[]) => {
    const database = new Sqlite(join(parts.dataDir, 'catalog.db'));
    database.prepare(text).run(...values);
    database.close();
  };
  const rootOf = async (product: string) => {
    const root = (await find(parts, product)).versions[0]?.items.find(({ type }) => type === 'squashfs');
    if (root === undefined) throw new Error('there is no root');
    return root;
  };
  const pathOf = (digest: string) => join(parts.dataDir, 'blobs/sha256', digest.slice(0, 2), digest);
  return { key, upstream, parts, mirror, verify, sql, rootOf, pathOf };
}

const proven = { result: 'proven', reasons: [] };

describe('a version whose document is signed', () => {
  test('is proven, also long after the upstream has gone and where nothing was downloaded', async () => {
    for (const mode of ['scheduled', 'on-demand'] as const) {
      const { upstream, verify } = await setUp({ mode });
      upstream.files.clear();
      expect(await verify({}, { read: true, repair: false })).toMatchObject({
        [trixie]: proven,
        [bookworm]: proven,
      });
    }
  });

  test('is unproven under another keyring, and without one', async () => {
    const { verify } = await setUp();
    const stranger = await makeKey('stranger');
    expect((await verify({ keyring: stranger.keyring }))[trixie]).toMatchObject({
      result: 'unproven',
      reasons: [expect.stringMatching(/images\.sjson: refused: it is signed by another key/)],
    });
  });

  test('is proven by a key that has expired since, and not by one that had expired', async () => {
    const key = await makeKey('brief', { expires: '2024-12-31' });
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2024-10-05T00:00:00Z') });
    const { verify, sql } = await setUp({ key });
    expect((await verify())[trixie]?.expired).toBeUndefined();
    vi.useRealTimers();
    expect((await verify())[trixie]).toMatchObject({
      ...proven,
      expired: expect.stringMatching(/has expired on 2024-12-31/) as string,
    });
    sql('update kept_documents set fetched_at = ?', String(Date.parse('2025-02-01')));
    expect((await verify())[trixie]).toMatchObject({
      result: 'unproven',
      reasons: [expect.stringMatching(/expired/)],
    });
  });

  test('is damaged where the catalog has the files of two versions exchanged', async () => {
    const { verify, sql, rootOf } = await setUp();
    const [one, other] = [(await rootOf(trixie)).digest, (await rootOf(bookworm)).digest];
    sql("update items set digest = 'x' where digest = ?", one);
    sql('update items set digest = ? where digest = ?', one, other);
    sql("update items set digest = ? where digest = 'x'", other);
    for (const result of Object.values(await verify())) {
      expect(result).toMatchObject({
        result: 'damaged',
        reasons: expect.arrayContaining([
          expect.stringMatching(/the document does not list rootfs\.squashfs/),
        ]) as string[],
        isFetchable: false,
      });
    }
  });

  test('is damaged where the catalog has it under the name of another product or version', async () => {
    const { verify, sql } = await setUp();
    sql("update products set name = 'debian:sid:amd64:default', release = 'sid' where name = ?", trixie);
    expect((await verify())['debian:sid:amd64:default']).toMatchObject({
      result: 'damaged',
      reasons: ['its document does not list it'],
      isFetchable: false,
    });
    sql("update versions set serial = '20250101_0000'");
    expect((await verify())[bookworm]).toMatchObject({ result: 'damaged' });
  });

  test('is damaged or missing as its files are, and whole once the mirror has fetched them again', async () => {
    const { parts, mirror, verify, rootOf, pathOf } = await setUp();
    await flip(pathOf((await rootOf(trixie)).digest));
    await parts.store.remove(parseDigest((await rootOf(bookworm)).digest));
    expect(await verify()).toMatchObject({
      [trixie]: proven,
      [bookworm]: { result: 'missing', isFetchable: true },
    });
    expect(await verify({}, { read: true, repair: true })).toMatchObject({
      [trixie]: {
        result: 'damaged',
        isFetchable: true,
        reasons: [expect.stringMatching(/^rootfs\.squashfs: the SHA-256/)],
      },
      [bookworm]: { result: 'missing' },
    });
    expect((await runOnce(mirror, parts)).outcome).toBe('success');
    expect(await verify({}, { read: true, repair: false })).toMatchObject({
      [trixie]: proven,
      [bookworm]: proven,
    });
  });

  test('is unproven while the blob of its document is damaged, which the next run mends', async () => {
    const { parts, mirror, verify, pathOf } = await setUp();
    const [document] = await parts.catalog.evidence.documents();
    await flip(pathOf(document?.blob.digest ?? ''));
    expect((await verify({}, { read: true, repair: true }))[trixie]).toMatchObject({
      result: 'unproven',
      reasons: [expect.stringMatching(/is damaged/)],
      isFetchable: true,
    });
    await runOnce(mirror, parts);
    expect(await verify()).toMatchObject({ [trixie]: proven, [bookworm]: proven });
  });

  test('is unproven where its document was replaced by another one', async () => {
    const { parts, verify, sql } = await setUp();
    const [document] = await parts.catalog.evidence.documents();
    sql('update kept_documents set sha256 = ?', 'a'.repeat(64));
    expect((await verify())[trixie]).toMatchObject({
      result: 'unproven',
      reasons: [expect.stringContaining(document?.sha256 ?? '')],
    });
  });
});

test('a version whose document nobody signed is unproven', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(trixie, '20241001_0000');
  const parts = await mirrorServices();
  const mirror = definition(upstream.url);
  await runOnce(mirror, parts);
  const checkBlob = () => Promise.resolve({ fingerprints: [] });
  expect(await verifyMirror(mirror, parts, { checkBlob })).toMatchObject([
    { result: 'unproven', reasons: ['its document was accepted without a signature'], isUnrecorded: false },
  ]);
});

test('an imported version is vouched for by its site, or proven by the document that it brought', async () => {
  const { parts, verify } = await setUp();
  const bundle = { identity: 'a'.repeat(64), sequence: 7, site: 'hq', signer: 'AB', operator: 'local:root' };
  const version = { stream: 'images', product: trixie, serial: '20241001_0000' };
  const [document] = await parts.catalog.evidence.documents();
  if (document === undefined) throw new Error('no document is kept');
  await parts.catalog.evidence.record([{ ...version, evidence: { proof: 'site', bundle } }]);
  expect((await verify())[trixie]).toMatchObject({ result: 'site' });
  await parts.catalog.evidence.record([
    { ...version, evidence: { proof: 'upstream', document: document.id, bundle } },
  ]);
  expect((await verify())[trixie]).toMatchObject(proven);
  await parts.catalog.evidence.record([{ ...version, evidence: { proof: 'none', bundle } }]);
  expect((await verify())[trixie]).toMatchObject({ result: 'unproven' });
});

test('with 2 percent a day, each digest is read once in 50 days', () => {
  const digest = '3f'.repeat(32);
  const days = Array.from({ length: 100 }, (_, day) => isReadToday(digest, 2, new Date(day * 86_400_000)));
  expect(days.filter(Boolean)).toHaveLength(2);
  expect(days.lastIndexOf(true) - days.indexOf(true)).toBe(50);
  expect(isReadToday(digest, 100, new Date())).toBe(true);
});
