import { expect, test } from 'vitest';
import { testActor } from '../../support/catalog.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, held, mirrorServices } from '../workspace.ts';
import { bookworm, runOnce, trixie } from './states.ts';

const released = 'com.example:released:download';
const daily = 'com.example:daily:download';

/** An upstream with the tree of releases, and the tree of daily builds that its owner has, too. */
async function makeTrees() {
  const upstream = await TestUpstream.start();
  upstream.contentId = released;
  await upstream.offer(bookworm, '20260101_0000');
  const releases = upstream.snapshot();
  upstream.contentId = daily;
  await upstream.offer(bookworm, '20260102_0000');
  return { upstream, releases, dailies: upstream.snapshot() };
}

test('the daily tree at the address of the releases is refused by its content id', async () => {
  const { upstream, releases, dailies } = await makeTrees();
  const parts = await mirrorServices();
  const mirror = definition(upstream.url);
  upstream.serve(releases);
  expect((await runOnce(mirror, parts)).outcome).toBe('success');
  upstream.serve(dailies);
  const refused = await runOnce(mirror, parts);
  expect(refused).toMatchObject({ outcome: 'failed', report: { errorKind: 'conflict' } });
  expect(String(refused.error)).toMatch(
    /index\.json: it offers com\.example:daily:download; the accepted one had com\.example:released:download\..*--force/,
  );
  expect(await held(parts)).toEqual([`${bookworm}@20260101_0000`]);

  const forced = await runOnce(mirror, parts, { force: true, requestedBy: testActor });
  expect(forced).toMatchObject({ outcome: 'success', report: { added: 1 } });
  expect((await parts.catalog.audit.list({ limit: 50 })).map(({ action }) => action)).toContain(
    'mirror.force',
  );
  upstream.serve(releases);
  expect((await runOnce(mirror, parts)).report.errorKind).toBe('conflict');
});

test('a fallback with another tree is left out', async () => {
  const { upstream, releases, dailies } = await makeTrees();
  const fallback = await TestUpstream.start();
  const parts = await mirrorServices();
  const mirror = definition(upstream.url, { fallback: [fallback.url] });
  upstream.serve(releases);
  await runOnce(mirror, parts);
  upstream.files.clear();
  fallback.serve(dailies);
  const result = await runOnce(mirror, parts);
  expect(result.outcome).toBe('unchanged');
  expect(result.report.warnings[0]).toMatch(/it offers com\.example:daily:download/);
  expect(await held(parts)).toHaveLength(1);
});

test('contentId pins the documents from the first run on, also against --force', async () => {
  const { upstream, releases, dailies } = await makeTrees();
  const parts = await mirrorServices();
  const mirror = definition(upstream.url, { contentId: [released] });
  upstream.serve(dailies);
  for (const force of [false, true]) {
    const refused = await runOnce(mirror, parts, { force });
    expect(String(refused.error)).toMatch(
      /it lacks com\.example:released:download, which contentId names; .*change contentId in mirrors\/test\.yaml/,
    );
  }
  expect(await held(parts)).toEqual([]);
  upstream.serve(releases);
  expect((await runOnce(mirror, parts)).outcome).toBe('success');
});

test('a products document under the name of another one is refused', async () => {
  const { upstream, releases, dailies } = await makeTrees();
  const path = 'streams/v1/images.json';
  upstream.serve(new Map([...releases, [path, dailies.get(path) ?? Buffer.alloc(0)]]));
  const parts = await mirrorServices();
  const refused = await runOnce(definition(upstream.url), parts);
  expect(refused).toMatchObject({ outcome: 'failed', report: { errorKind: 'conflict' } });
  expect(String(refused.error)).toMatch(
    /images\.json: it is com\.example:daily:download, and the index names it as com\.example:released:download/,
  );
  expect(await held(parts)).toEqual([]);
});

test('a document that could not be read at first is followed later', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(bookworm, '20260101_0000');
  const path = 'streams/v1/index.json';
  const index = JSON.parse(upstream.files.get(path)?.toString() ?? '') as { index: Record<string, object> };
  const late = 'streams/v1/late.json';
  index.index['late'] = { ...index.index['images'], path: late, products: [trixie] };
  upstream.files.set(path, Buffer.from(JSON.stringify(index)));
  const parts = await mirrorServices();
  const mirror = definition(upstream.url);
  expect((await runOnce(mirror, parts)).report.warnings[0]).toMatch(/late\.json: the index names it/);
  const images = upstream.files.get('streams/v1/images.json')?.toString() ?? '';
  upstream.files.set(
    late,
    Buffer.from(images.replace('"images"', '"late"').replaceAll('bookworm', 'trixie')),
  );
  expect((await runOnce(mirror, parts)).report.warnings.join()).not.toMatch(/late/);
});

test('a document that comes to the others is not followed without a word', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(bookworm, '20260101_0000');
  const parts = await mirrorServices();
  const mirror = definition(upstream.url);
  await runOnce(mirror, parts);
  // A second document, with a product of its own.
  const first = upstream.snapshot();
  delete upstream.products[bookworm];
  upstream.contentId = 'more';
  await upstream.offer(trixie, '20260101_0000');
  const index = JSON.parse(first.get('streams/v1/index.json')?.toString() ?? '') as {
    index: Record<string, unknown>;
  };
  const path = 'streams/v1/more.json';
  index.index['more'] = {
    datatype: 'image-downloads',
    format: 'products:1.0',
    path,
    products: [trixie],
  };
  upstream.files.set(path, upstream.files.get('streams/v1/images.json') ?? Buffer.alloc(0));
  upstream.files.set('streams/v1/images.json', first.get('streams/v1/images.json') ?? Buffer.alloc(0));
  upstream.files.set('streams/v1/index.json', Buffer.from(JSON.stringify(index)));

  const result = await runOnce(mirror, parts);
  expect(result).toMatchObject({ outcome: 'success', report: { added: 0, kept: 1 } });
  expect(result.report.warnings).toEqual([expect.stringMatching(/more is new and is not followed/)]);
  const pinned = definition(upstream.url, { contentId: ['images', 'more'] });
  expect(await runOnce(pinned, parts)).toMatchObject({ outcome: 'success', report: { added: 1 } });
});

test('an old products document beside a new index: nothing of it is added, retired or named', async () => {
  const upstream = await TestUpstream.start();
  upstream.updated = '2026-01-01T00:00:00Z';
  await upstream.offer(bookworm, '20260101_0000', { product: { aliases: 'lts' } });
  const old = upstream.files.get('streams/v1/images.json') ?? Buffer.alloc(0);
  upstream.updated = '2026-01-02T00:00:00Z';
  await upstream.offer(bookworm, '20260102_0000');
  const fresh = upstream.files.get('streams/v1/images.json') ?? Buffer.alloc(0);
  upstream.files.set('streams/v1/images.json', old);
  const parts = await mirrorServices();
  const mirror = definition(upstream.url, { keep: { versions: 3, removed: 'retire' } });
  const result = await runOnce(mirror, parts);
  expect(result).toMatchObject({ outcome: 'partial', report: { added: 0, retired: 0 } });
  expect(result.report.warnings[0]).toMatch(/images\.json is older than the index says: it is of 2026-01-01/);
  expect(await held(parts)).toEqual([]);
  expect(await parts.catalog.aliases.named('lts')).toEqual([]);
  upstream.files.set('streams/v1/images.json', fresh);
  expect(await runOnce(mirror, parts)).toMatchObject({ outcome: 'success', report: { added: 2 } });
  // And once more, when there is something to lose.
  upstream.updated = '2026-01-03T00:00:00Z';
  await upstream.offer(trixie, '20260103_0000');
  upstream.files.set('streams/v1/images.json', fresh);
  expect(await runOnce(mirror, parts)).toMatchObject({
    outcome: 'partial',
    report: { added: 0, retired: 0 },
  });
  expect(await held(parts)).toHaveLength(2);
});
