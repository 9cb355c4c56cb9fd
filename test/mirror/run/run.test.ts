import { createHash } from 'node:crypto';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { processName } from '../../../src/files/process-name.ts';
import { acceptedDocuments } from '../../../src/mirror/guard/accepted-documents.ts';
import { planMirror, runMirror } from '../../../src/mirror/run/run.ts';
import { mirrorStatus } from '../../../src/mirror/status.ts';
import { publish } from '../../../src/publish/publisher.ts';
import { TestServer } from '../../support/server.ts';
import { makeSmallImage } from '../../support/small-images.ts';
import { TestUpstream } from '../test-upstream.ts';
import { SigningKey } from '../upstream/gpg.ts';
import { definition, find, held, mirrorServices } from '../workspace.ts';

const bookworm = 'debian:bookworm:amd64:default';
const trixie = 'debian:trixie:amd64:default';
const manual = { cause: 'manual' as const };

describe('a run', () => {
  test('brings what is selected, with aliases, title, requirements and end of life', async () => {
    const upstream = await TestUpstream.start();
    const said = {
      aliases: 'debian/12,stable',
      release_title: 'Debian 12',
      support_eol: '2028-06-30',
      requirements: { secureboot: false },
    };
    await upstream.offer(bookworm, '20260101_05:24', { product: said, version: { label: 'daily' } });
    await upstream.offer('debian:bookworm:arm64:default', '20260101_05:24');
    const parts = await mirrorServices();
    const result = await runMirror(
      definition(upstream.url, { select: [{ architecture: ['amd64'] }] }),
      parts,
      manual,
    );
    expect(result).toMatchObject({ outcome: 'success', report: { added: 1, failures: 0 } });
    const product = await find(parts, bookworm);
    expect(product).toMatchObject({
      owner: 'mirror:test',
      aliases: ['debian/12', 'debian/bookworm', 'debian/bookworm/default', 'stable'],
      releaseTitle: 'Debian 12',
      supportEol: '2028-06-30',
      requirements: { secureboot: 'false' },
    });
    expect(product.versions).toMatchObject([{ serial: '20260101_0524', label: 'daily' }]);
    const { items = {} } = upstream.products[bookworm]?.versions['20260101_05:24'] ?? {};
    const squashfs = product.versions[0]?.items.find(({ type }) => type === 'squashfs');
    expect(squashfs?.fingerprint).toBe(items['lxd.tar.xz']?.['combined_squashfs_sha256']);
    expect(await held(parts)).toHaveLength(1);
  });

  test('of an unchanged upstream costs a conditional request for each document, and no more', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    const parts = await mirrorServices();
    await runMirror(definition(upstream.url), parts, manual);
    upstream.takeRequests();
    expect(await runMirror(definition(upstream.url), parts, manual)).toMatchObject({ outcome: 'unchanged' });
    expect(upstream.takeRequests()).toEqual([
      'GET streams/v1/images.json 304',
      'GET streams/v1/index.json 304',
    ]);
    // Another definition may select something else.
    const other = definition(upstream.url, { keep: { versions: 1, removed: 'keep' } });
    expect(await runMirror(other, parts, manual)).toMatchObject({
      outcome: 'success',
      report: { added: 0, kept: 1 },
    });
    expect((await runMirror(other, parts, { ...manual, force: true })).outcome).toBe('success');
  });

  test('fetches no file whose bytes are here, whoever brought them', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    const parts = await mirrorServices();
    await runMirror(definition(upstream.url), parts, manual);
    upstream.takeRequests();
    const copy = definition(upstream.url, { name: 'copy', select: [{ os: ['debian'] }], stream: 'copy' });
    for (const product of Object.values(upstream.products)) product['variant'] = 'copy';
    upstream.announce();
    expect(await runMirror(copy, parts, manual)).toMatchObject({ report: { added: 1, fetched: 0 } });
    expect(upstream.takeRequests().filter((request) => request.includes('images/'))).toEqual([]);
  });

  test('with a wrong file fails that version alone, and the next run brings it', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    await upstream.offer(trixie, '20260101_0000');
    const path = 'images/debian/trixie/amd64/default/20260101_0000/rootfs.squashfs';
    const good = upstream.files.get(path) ?? Buffer.alloc(0);
    const wrong = Buffer.from(good);
    wrong[1000] = (wrong[1000] ?? 0) ^ 1;
    upstream.files.set(path, wrong);
    const parts = await mirrorServices();
    const first = await runMirror(definition(upstream.url), parts, manual);
    expect(first).toMatchObject({
      outcome: 'partial',
      report: { added: 1, failures: 1, failed: [{ product: trixie }] },
    });
    expect(await held(parts)).toEqual([`${bookworm}@20260101_0000`]);
    // What was wrong crossed the network all the same, twice.
    expect(first.report.fetched).toBeGreaterThan(3 * good.length);
    upstream.files.set(path, good);
    expect(await runMirror(definition(upstream.url), parts, manual)).toMatchObject({
      outcome: 'success',
      report: { added: 1, kept: 1 },
    });
  });

  test('retires what is outside keep, and only once its successor is here', async () => {
    const upstream = await TestUpstream.start();
    const parts = await mirrorServices();
    const one = definition(upstream.url, { keep: { versions: 1, removed: 'keep' } });
    await upstream.offer(bookworm, '20260101_0000');
    await runMirror(one, parts, manual);
    await upstream.offer(bookworm, '20260102_0000');
    const path = 'images/debian/bookworm/amd64/default/20260102_0000/rootfs.squashfs';
    const good = upstream.files.get(path) ?? Buffer.alloc(0);
    upstream.files.delete(path);
    expect(await runMirror(one, parts, manual)).toMatchObject({ outcome: 'partial', report: { retired: 0 } });
    expect(await held(parts)).toEqual([`${bookworm}@20260101_0000`]);
    upstream.files.set(path, good);
    expect(await runMirror(one, parts, manual)).toMatchObject({ outcome: 'success', report: { retired: 1 } });
    expect(await held(parts)).toEqual([`${bookworm}@20260102_0000`]);
    // Clients may still know the old index.
    const [os, release, architecture, variant] = ['debian', 'bookworm', 'amd64', 'default'];
    const old = await parts.catalog.products.file(
      { os, release, architecture, variant },
      '20260101_0000',
      'rootfs.squashfs',
    );
    expect(old).toBeDefined();
  });

  test('moves aliases as the upstream does, and leaves out those of others', async () => {
    const upstream = await TestUpstream.start();
    const parts = await mirrorServices();
    const image = await makeSmallImage({ os: 'own' });
    await publish(parts.destination, {
      files: [
        { from: 'disk', name: 'm', path: image.metadata },
        { from: 'disk', name: 'r', path: image.root },
      ],
      aliases: ['testing'],
    });
    await upstream.offer(bookworm, '20260101_0000', { product: { aliases: 'stable,old,testing' } });
    await upstream.offer(trixie, '20260101_0000', { product: { aliases: '' } });
    const first = await runMirror(definition(upstream.url), parts, manual);
    expect(first.report.aliases.withheld).toEqual([{ alias: 'testing', owner: 'local' }]);
    const leads = async (alias: string) => (await parts.catalog.aliases.named(alias))[0]?.products;
    expect(await leads('stable')).toEqual([bookworm]);
    Object.assign(upstream.products[bookworm] ?? {}, { aliases: '' });
    Object.assign(upstream.products[trixie] ?? {}, { aliases: 'stable' });
    upstream.announce();
    await runMirror(definition(upstream.url), parts, manual);
    expect(await leads('stable')).toEqual([trixie]);
    expect(await leads('old')).toBeUndefined();
    expect(await leads('testing')).toEqual(['own:bookworm:amd64:default']);
    expect(await leads('debian/bookworm')).toEqual([bookworm]);
  });

  test('leaves products of others alone and says so', async () => {
    const upstream = await TestUpstream.start();
    const parts = await mirrorServices();
    const image = await makeSmallImage();
    const files = [
      { from: 'disk' as const, name: 'm', path: image.metadata },
      { from: 'disk' as const, name: 'r', path: image.root },
    ];
    await publish(parts.destination, { files });
    await upstream.offer(bookworm, '20260202_0000');
    expect(await runMirror(definition(upstream.url), parts, manual)).toMatchObject({
      outcome: 'success',
      report: { added: 0, skipped: [{ reason: 'the product is owned by local', count: 1 }] },
    });
  });

  test('takes the document for more than metadata.yaml, but not for the architecture', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000', { product: { os: 'Debian GNU', release: 'twelve' } });
    const parts = await mirrorServices();
    await runMirror(definition(upstream.url), parts, manual);
    expect(await held(parts)).toEqual(['debian-gnu:twelve:amd64:default@20260101_0000']);
    Object.assign(upstream.products[bookworm] ?? {}, { arch: 's390x' });
    upstream.announce();
    const wrong = await runMirror(definition(upstream.url), parts, manual);
    expect(wrong).toMatchObject({ outcome: 'partial', report: { failures: 1 } });
    expect(wrong.report.failed[0]?.error).toMatch(
      /architecture was given as s390x, but metadata\.yaml says amd64/,
    );
  });
});

describe('what shrinks suddenly', () => {
  test('is refused, and empties nothing, unless it is forced', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    await upstream.offer(trixie, '20260101_0000');
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, { keep: { versions: 3, removed: 'retire' } });
    await runMirror(mirror, parts, manual);
    for (const name of Object.keys(upstream.products)) delete upstream.products[name];
    upstream.announce();
    const refused = await runMirror(mirror, parts, manual);
    expect(refused.outcome).toBe('failed');
    expect(String(refused.error)).toMatch(/offers 0 products, 2 before: .*maxShrink \(50 %\).*--force/);
    await expect(planMirror(mirror, parts)).rejects.toThrow(/maxShrink/);
    expect(await held(parts)).toHaveLength(2);
    expect((await runMirror(mirror, parts, { ...manual, force: true })).report.retired).toBe(2);
    expect(await held(parts)).toEqual([]);
  });
});

describe('signed documents', () => {
  test('are taken when the keyring has their key, and refused otherwise', async () => {
    const [key, stranger] = [await SigningKey.make('owner'), await SigningKey.make('stranger')];
    try {
      const upstream = await TestUpstream.start();
      await upstream.offer(bookworm, '20260101_0000');
      const parts = await mirrorServices();
      const mirror = definition(upstream.url, { keyring: key.keyring });
      const error = async () => String((await runMirror(mirror, parts, manual)).error);

      expect(await error()).toMatch(/index\.json: refused: it is not signed/);
      await upstream.sign(stranger);
      expect(await error()).toMatch(/index\.sjson: refused: it is signed by another key/);
      upstream.announce();
      await upstream.sign(key);
      const images = upstream.files.get('streams/v1/images.sjson')?.toString() ?? '';
      upstream.files.set('streams/v1/images.sjson', Buffer.from(images.replace('bookworm', 'wormbook')));
      expect(await error()).toMatch(/images\.sjson: refused: it was changed after it was signed/);
      expect(await held(parts)).toEqual([]);

      upstream.files.set('streams/v1/images.sjson', Buffer.from(images));
      expect((await runMirror(mirror, parts, manual)).outcome).toBe('success');
      expect(await held(parts)).toEqual([`${bookworm}@20260101_0000`]);
      // One who takes unsigned documents reads signed ones too.
      expect((await planMirror(definition(upstream.url), parts)).plan.kept).toBe(1);
    } finally {
      await key.remove();
      await stranger.remove();
    }
  });

  test('may have their signature in a file beside', async () => {
    const key = await SigningKey.make('owner');
    try {
      const upstream = await TestUpstream.start();
      await upstream.offer(bookworm, '20260101_0000');
      const parts = await mirrorServices();
      const mirror = definition(upstream.url, { keyring: key.keyring });
      for (const name of ['index', 'images']) {
        const path = `streams/v1/${name}.json`;
        const text = upstream.files.get(path)?.toString() ?? '';
        upstream.files.set(`${path}.gpg`, await key.detached(text, { armored: true }));
      }
      expect((await runMirror(mirror, parts, manual)).outcome).toBe('success');
    } finally {
      await key.remove();
    }
  });
});

test('a definition that names another stream moves what is here into it', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(bookworm, '20260101_0000');
  const parts = await mirrorServices();
  await runMirror(definition(upstream.url), parts, manual);
  await upstream.offer(bookworm, '20260102_0000');
  const moved = definition(upstream.url, { stream: 'elsewhere' });
  expect(await runMirror(moved, parts, manual)).toMatchObject({
    outcome: 'success',
    report: { added: 1, kept: 1, skipped: [] },
  });
  expect(await parts.catalog.products.streams()).toEqual(['elsewhere']);
  expect(await held(parts)).toEqual([`${bookworm}@20260101_0000`, `${bookworm}@20260102_0000`]);
  expect((await parts.catalog.audit.list({ limit: 10 })).map(({ action }) => action)).toContain(
    'product.move',
  );
});

describe('documents that do not belong together', () => {
  test('a stale products document beside a new index retires nothing and is read again', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    await upstream.offer(trixie, '20260101_0000');
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, { keep: { versions: 3, removed: 'retire' }, maxShrink: 100 });
    await runMirror(mirror, parts, manual);
    const old = upstream.files.get('streams/v1/images.json') ?? Buffer.alloc(0);
    const stale = JSON.parse(old.toString()) as { products: Record<string, unknown> };
    delete stale.products[trixie];
    await upstream.offer(trixie, '20260102_0000');
    const fresh = upstream.files.get('streams/v1/images.json') ?? Buffer.alloc(0);
    upstream.files.set('streams/v1/images.json', Buffer.from(JSON.stringify(stale)));
    const result = await runMirror(mirror, parts, manual);
    expect(result).toMatchObject({ outcome: 'partial', report: { added: 0, retired: 0 } });
    const before = [`${bookworm}@20260101_0000`, `${trixie}@20260101_0000`];
    expect(await held(parts)).toEqual(before);
    expect((await find(parts, trixie)).aliases).toEqual(['debian/trixie', 'debian/trixie/default']);
    expect(result.report.warnings[0]).toMatch(
      /images\.json is older than the index: it lacks 1 of its products/,
    );
    upstream.files.set('streams/v1/images.json', fresh);
    expect(await runMirror(mirror, parts, manual)).toMatchObject({
      outcome: 'success',
      report: { added: 1, kept: 2 },
    });
    expect([...(await held(parts))].sort()).toEqual([...before, `${trixie}@20260102_0000`]);
  });

  test('an index that is swapped between two requests is read again', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    const index = upstream.files.get('streams/v1/index.json') ?? Buffer.alloc(0);
    const images = upstream.files.get('streams/v1/images.json') ?? Buffer.alloc(0);
    upstream.files.delete('streams/v1/images.json');
    upstream.onRequest = (path) => {
      if (path !== 'streams/v1/images.json' || upstream.files.has('streams/v1/new.json')) return;
      upstream.files.set('streams/v1/new.json', images);
      upstream.files.set(
        'streams/v1/index.json',
        Buffer.from(index.toString().replace('images.json', 'new.json')),
      );
    };
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, { keep: { versions: 3, removed: 'retire' } });
    expect(await runMirror(mirror, parts, manual)).toMatchObject({ outcome: 'success' });
    expect(await held(parts)).toEqual([`${bookworm}@20260101_0000`]);
    // Swapped again, and what it names then is not there yet: nothing is taken away, and the next run mends it.
    await upstream.offer(trixie, '20260101_0000');
    const newer = upstream.files.get('streams/v1/images.json') ?? Buffer.alloc(0);
    upstream.files.delete('streams/v1/images.json');
    const failed = await runMirror(mirror, parts, manual);
    expect({ outcome: failed.outcome, error: String(failed.error) }).toEqual({
      outcome: 'failed',
      error: expect.stringMatching(/images\.json: the index names it, but the upstream has no such file/),
    });
    expect(await held(parts)).toEqual([`${bookworm}@20260101_0000`]);
    upstream.files.set('streams/v1/images.json', newer);
    expect(await runMirror(mirror, parts, manual)).toMatchObject({
      outcome: 'success',
      report: { added: 1, kept: 1, retired: 0 },
    });
    expect(await held(parts)).toEqual([`${bookworm}@20260101_0000`, `${trixie}@20260101_0000`]);
  });
});

describe('what of an index cannot be used', () => {
  /** Changes the index that is served. */
  function change(upstream: TestUpstream, entries: Record<string, unknown>) {
    const path = 'streams/v1/index.json';
    const document = JSON.parse(upstream.files.get(path)?.toString() ?? '') as { index: object };
    Object.assign(document.index, entries);
    upstream.files.set(path, Buffer.from(JSON.stringify(document)));
  }
  const entry = (path: unknown) => ({ datatype: 'image-downloads', path, products: ['a'] });

  test('is skipped and counted; the rest is taken, and nothing is retired', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    await upstream.offer(trixie, '20260101_0000');
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, { keep: { versions: 3, removed: 'retire' }, maxShrink: 10 });
    await runMirror(mirror, parts, manual);
    delete upstream.products[trixie];
    upstream.announce();
    await upstream.offer(bookworm, '20260102_0000');
    upstream.files.set('streams/v1/text.json', Buffer.from('<html>'));
    upstream.files.set('streams/v1/cut.json', Buffer.from('{"format": "products:1.0", "products": {"a": {'));
    upstream.files.set('streams/v1/other.json', Buffer.from('{"format": "index:1.0"}'));
    change(upstream, {
      evil: entry('../../etc/passwd'),
      odd: entry(7),
      list: [],
      products: { ...entry('streams/v1/x.json'), products: 'a' },
      gone: entry('streams/v1/gone.json'),
      text: entry('streams/v1/text.json'),
      cut: entry('streams/v1/cut.json'),
      other: entry('streams/v1/other.json'),
    });
    const { outcome, report } = await runMirror(mirror, parts, { ...manual, force: true });
    expect({ outcome, added: report.added, retired: report.retired }).toEqual({
      outcome: 'success',
      added: 1,
      retired: 0,
    });
    expect(report.skipped).toMatchObject([
      { reason: 'a document that the index names cannot be used', count: 8 },
    ]);
    expect(report.warnings.join('\n')).toMatch(/index\.evil\.path: "\.\.\/\.\.\/etc\/passwd" points outside/);
    expect(report.warnings.join('\n')).toMatch(
      /gone\.json: the index names it, but the upstream has no such/,
    );
    expect(await held(parts)).toContain(`${trixie}@20260101_0000`);
    // What the upstream offered when all could be read is what later runs are compared with.
    delete upstream.products[bookworm];
    upstream.announce();
    expect(String((await runMirror(mirror, parts, manual)).error)).toMatch(/, 2 before: /);
  });

  test('is not asked for again until something changes, unless it was missing', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    const parts = await mirrorServices();
    const outcome = async () => (await runMirror(definition(upstream.url), parts, manual)).outcome;
    upstream.files.set('streams/v1/text.json', Buffer.from('<html>'));
    change(upstream, { odd: entry(7), text: entry('streams/v1/text.json') });
    expect([await outcome(), await outcome()]).toEqual(['success', 'unchanged']);
    const other = await TestUpstream.start();
    other.contentId = 'late';
    await other.offer(trixie, '20260101_0000');
    for (const [path, bytes] of other.files) if (path.startsWith('images/')) upstream.files.set(path, bytes);
    change(upstream, { late: { ...entry('streams/v1/late.json'), products: [trixie] } });
    await runMirror(definition(upstream.url), parts, { ...manual, force: true });
    expect([await outcome(), await outcome()]).toEqual(['success', 'success']);
    upstream.files.set('streams/v1/late.json', other.files.get('streams/v1/images.json') ?? Buffer.alloc(0));
    expect([await outcome(), await outcome()]).toEqual(['success', 'unchanged']);
    expect(await held(parts)).toEqual([`${bookworm}@20260101_0000`, `${trixie}@20260101_0000`]);
  });

  test('ends the run when nothing else is there', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    upstream.files.delete('streams/v1/images.json');
    const result = await runMirror(definition(upstream.url), await mirrorServices(), manual);
    expect(result.outcome).toBe('failed');
    expect(String(result.error)).toMatch(
      /images\.json: the index names it, but the upstream has no such file/,
    );
  });
});

describe('a run that brings nothing', () => {
  test('of an upstream with nothing that can be used says so', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000', { items: { 'lxd.tar.xz': { ftype: 'tar' } } });
    const { report } = await runMirror(definition(upstream.url), await mirrorServices(), manual);
    expect(report.warnings).toEqual(['test: the upstream offers no usable images']);
  });

  test('of what it selects says so', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    const parts = await mirrorServices();
    await runMirror(definition(upstream.url), parts, manual);
    const { report } = await runMirror(definition(upstream.url, { name: 'second' }), parts, manual);
    expect(report.warnings).toEqual(['second: no selected version can be mirrored: see the skipped entries']);
  });
});

describe('runs of one mirror', () => {
  test('never overlap', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    const parts = await mirrorServices();
    const second = await mirrorServices(parts.dataDir);
    const both = await Promise.allSettled([
      runMirror(definition(upstream.url), parts, manual),
      runMirror(definition(upstream.url), second, manual),
    ]);
    const refused = both.filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(1);
    expect(String(refused[0]?.reason)).toMatch(/mirror test is running already/);
    expect(await parts.catalog.mirrors.runs('test', 10)).toHaveLength(1);
  });

  test('go on after one whose process was killed', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    const parts = await mirrorServices();
    const { mirrors } = parts.catalog;
    const expired = { holder: 'somebody elsewhere', expiresAt: new Date(Date.now() + 3_600_000) };
    await mirrors.acquire('test', expired);
    await mirrors.begin('test', 'schedule');
    await expect(runMirror(definition(upstream.url), parts, manual)).rejects.toThrow(/is running already/);
    await mirrors.renew('test', { ...expired, expiresAt: new Date() });
    expect((await runMirror(definition(upstream.url), parts, manual)).outcome).toBe('success');
    expect((await mirrors.runs('test', 10)).map(({ outcome }) => outcome)).toEqual([
      'success',
      'interrupted',
    ]);
  });

  test('change nothing more when they come back too late and another one goes on', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, { keep: { versions: 1, removed: 'keep' } });
    await runMirror(mirror, parts, manual);
    await upstream.offer(bookworm, '20260102_0000');
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    const { mirrors } = parts.catalog;
    const other = { holder: 'somebody elsewhere', expiresAt: new Date(Date.now() + 3_600_000) };
    let taken: Promise<unknown> | undefined;
    upstream.onRequest = (path) => {
      if (!path.includes('20260102') || taken !== undefined) return;
      // As if the process had been stopped for two minutes.
      vi.setSystemTime(Date.now() + 120_000);
      taken = mirrors.acquire('test', other);
    };
    const late = await runMirror(mirror, parts, manual);
    expect(await taken).toBeUndefined();
    expect(late).toMatchObject({ outcome: 'interrupted', report: { retired: 0 } });
    expect(String(late.error)).toMatch(/was taken over/);
    expect(await held(parts)).toContain(`${bookworm}@20260101_0000`);
    expect(await mirrors.lease('test')).toEqual(other);
  });

  test('are interrupted at once, for everybody to see, when their process has ended', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    const { catalog } = await mirrorServices();
    const mirror = definition(upstream.url);
    const expiresAt = new Date(Date.now() + 60_000);
    const living = await processName();
    // The same process number, of a process that began at another time.
    const dead = living.replace(/\.\d+-/, '.1-');
    await catalog.mirrors.acquire('test', { holder: living, expiresAt });
    await catalog.mirrors.begin('test', 'manual');
    expect(await mirrorStatus(mirror, catalog.mirrors)).toMatchObject({ running: true });
    await catalog.mirrors.release('test', living);
    await catalog.mirrors.acquire('test', { holder: dead, expiresAt });
    await catalog.mirrors.begin('test', 'manual');
    expect(await mirrorStatus(mirror, catalog.mirrors)).toMatchObject({
      running: false,
      lastRun: { outcome: 'interrupted' },
    });
  });

  test('that never succeed make a mirror stale when it has tried for maxAge', async () => {
    const upstream = await TestUpstream.start();
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, { maxAge: 1_000_000 });
    const { startedAt } = await runMirror(mirror, parts, manual);
    const staleAfter = async (milliseconds: number) =>
      (await mirrorStatus(mirror, parts.catalog.mirrors, new Date(startedAt.getTime() + milliseconds))).stale;
    expect(await staleAfter(999_000)).toBe(false);
    await runMirror(mirror, parts, manual);
    expect(await staleAfter(1_000_001)).toBe(true);
  });

  test('are recorded, and tell how old the mirror is', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer(bookworm, '20260101_0000');
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, { maxAge: 1_000_000 });
    const { mirrors } = parts.catalog;
    expect(await mirrorStatus(mirror, mirrors)).toMatchObject({ stale: false, running: false });
    const { startedAt } = await runMirror(mirror, parts, { cause: 'schedule' });
    upstream.files.clear();
    await runMirror(mirror, parts, manual);
    const status = await mirrorStatus(mirror, mirrors);
    expect(status).toMatchObject({
      stale: false,
      lastSuccess: startedAt,
      lastRun: { outcome: 'failed', cause: 'manual' },
    });
    expect(status.lastRun?.error).toMatch(/has no streams\/v1\/index\.json/);
    expect(await mirrorStatus(mirror, mirrors, new Date(startedAt.getTime() + 2_000_000))).toMatchObject({
      stale: true,
      age: 2000,
    });
  });
});

test('deltas come along while their base is here', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(bookworm, '20260101_0000');
  await upstream.offer(bookworm, '20260102_0000');
  const delta = Buffer.from([0xd6, 0xc3, 0xc4, 0, 0, 1, 2, 3]);
  upstream.files.set('images/delta', delta);
  const { items = {} } = upstream.products[bookworm]?.versions['20260102_0000'] ?? {};
  items['delta'] = {
    ftype: 'squashfs.vcdiff',
    path: 'images/delta',
    size: delta.length,
    sha256: createHash('sha256').update(delta).digest('hex'),
    delta_base: '20260101_0000',
  };
  upstream.announce();
  const server = await TestServer.start();
  const parts = { ...server.workspace, dataDir: server.config.dataDir };
  await runMirror(definition(upstream.url), parts, manual);
  const announced = async () => {
    const { products } = (await server.request('/streams/v1/images.json')).json() as {
      products: Record<
        string,
        { versions: Record<string, { items: Record<string, { delta_base?: string }> }> }
      >;
    };
    return products[bookworm]?.versions['20260102_0000']?.items['delta.20260101_0000.vcdiff']?.delta_base;
  };
  await expect.poll(announced).toBe('20260101_0000');
  await parts.catalog.versions.remove({ stream: 'images', name: bookworm }, '20260101_0000');
  await expect.poll(announced).toBeUndefined();
});

test('another Headwater is an upstream like any other', async () => {
  const server = await TestServer.start({ tls: 'off' });
  const image = await makeSmallImage();
  await server.publish({
    files: [
      { from: 'disk', name: 'm', path: image.metadata },
      { from: 'disk', name: 'r', path: image.root },
    ],
    aliases: ['mine'],
  });
  await expect
    .poll(async () => (await server.request('/streams/v1/images.json', { scheme: 'http' })).status)
    .toBe(200);
  const parts = await mirrorServices();
  const url = server.url('', 'http');
  expect((await runMirror(definition(url), parts, manual)).outcome).toBe('success');
  const [there] =
    (await server.workspace.catalog.products.find({ stream: 'images', name: bookworm }))?.versions ?? [];
  const [here] = (await find(parts, bookworm)).versions;
  expect(here?.items).toEqual(there?.items);
  expect((await parts.catalog.aliases.named('mine'))[0]?.products).toEqual([bookworm]);
  expect((await runMirror(definition(url), parts, manual)).outcome).toBe('unchanged');
  // Its documents have dates: a mirror of it never goes back either.
  const status = await mirrorStatus(definition(url), parts.catalog.mirrors);
  expect(status.upstreamAge).toBeLessThan(3600);
  const known = await parts.catalog.mirrors.accepted('test', acceptedDocuments);
  expect([known?.index?.updated, known?.documents['images']?.updated]).toEqual([
    expect.any(String),
    expect.any(String),
  ]);
});
