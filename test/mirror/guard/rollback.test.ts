import { describe, expect, onTestFinished, test } from 'vitest';
import { dropMirror, handOver } from '../../../src/mirror/run/drop-and-hand-over.ts';
import { planMirror } from '../../../src/mirror/run/run.ts';
import { testActor } from '../../support/catalog.ts';
import { demand } from '../../support/needs.ts';
import { TestUpstream } from '../test-upstream.ts';
import { SigningKey } from '../upstream/gpg.ts';
import { definition, mirrorServices } from '../workspace.ts';
import { makeStates, newest, older, runOnce, shown } from './states.ts';

const retire = { keep: { versions: 2, removed: 'retire' as const } };

async function makeKey(): Promise<SigningKey> {
  demand('gpg');
  const key = await SigningKey.make('owner', { made: '20200101' });
  onTestFinished(() => key.remove());
  return key;
}

/** An upstream that the test stops. */
async function startUpstream(): Promise<{ upstream: TestUpstream; stop: () => Promise<void> }> {
  const { upstream, stop } = await TestUpstream.listen();
  let stopped: Promise<void> | undefined;
  const once = () => {
    stopped ??= stop();
    return stopped;
  };
  onTestFinished(once);
  return { upstream, stop: once };
}

describe('older documents, signed as well as the newer ones', () => {
  test.for(['keep', 'retire'] as const)(
    'are refused with both dates and change nothing, until --force; with "removed: %s"',
    async (removed) => {
      const key = await makeKey();
      const upstream = await TestUpstream.start();
      const { old, recent } = await makeStates(upstream, { key });
      const parts = await mirrorServices();
      const mirror = definition(upstream.url, { keyring: key.keyring, keep: { versions: 2, removed } });
      expect((await runOnce(mirror, parts)).outcome).toBe('success');
      expect(await shown(parts)).toEqual(newest);

      upstream.serve(old);
      const refused = await runOnce(mirror, parts);
      expect(refused).toMatchObject({ outcome: 'failed', report: { errorKind: 'conflict' } });
      expect(String(refused.error)).toMatch(
        /index\.sjson: .*updated 2024-09-03T10:00:00Z, but the accepted one 2024-10-02T10:00:00Z.*--force/,
      );
      await expect(planMirror(mirror, parts)).rejects.toThrow(/2024-09-03T10:00:00Z/);
      expect(await shown(parts)).toEqual(newest);

      // The newer ones are followed as before.
      upstream.serve(recent);
      expect((await runOnce(mirror, parts)).outcome).toBe('unchanged');

      upstream.serve(old);
      const forced = await runOnce(mirror, parts, { force: true, requestedBy: testActor });
      expect(forced.outcome).toBe('success');
      expect(forced.report.warnings[0]).toMatch(/index\.sjson: accepted with --force: .*2024-09-03/);
      expect((await shown(parts)).lts).toEqual(['debian:bookworm:amd64:default']);
      const [entry] = (await parts.catalog.audit.list({ limit: 50 })).filter(
        ({ action }) => action === 'mirror.force',
      );
      expect(entry).toMatchObject({
        who: testActor.who,
        subject: 'test',
        details: {
          path: expect.stringMatching(/^streams\/v1\//) as string,
          problem: expect.stringMatching(/2024-09-03T10:00:00Z.*2024-10-02T10:00:00Z/) as string,
        },
      });
      // From then on they are the ones to compare with.
      expect((await runOnce(mirror, parts)).outcome).toBe('unchanged');
      upstream.serve(recent);
      expect((await runOnce(mirror, parts)).outcome).toBe('success');
      expect((await shown(parts)).lts).toEqual(newest.lts);
    },
  );

  test('are refused also where only the products document is older', async () => {
    const upstream = await TestUpstream.start();
    const { old } = await makeStates(upstream);
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, retire);
    await runOnce(mirror, parts);
    const path = 'streams/v1/images.json';
    upstream.files.set(path, old.get(path) ?? Buffer.alloc(0));
    const refused = await runOnce(mirror, parts);
    expect(String(refused.error)).toMatch(/images\.json: it is older than the one that was accepted/);
    expect(await shown(parts)).toEqual(newest);
  });

  test('of documents without dates are told by their signatures', async () => {
    const key = await makeKey();
    const upstream = await TestUpstream.start();
    const { old } = await makeStates(upstream, { key, dated: false });
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, { keyring: key.keyring, ...retire });
    await runOnce(mirror, parts);
    upstream.serve(old);
    const refused = await runOnce(mirror, parts);
    expect(refused).toMatchObject({ outcome: 'failed', report: { errorKind: 'conflict' } });
    expect(String(refused.error)).toMatch(
      /signed 2024-09-03T00:00:00Z, but the accepted one 2024-10-02T00:00:00Z/,
    );
    expect(await shown(parts)).toEqual(newest);
  });
});

describe('a fallback that lags behind', () => {
  test('while the url is down changes nothing, and the run says so', async () => {
    const { upstream, stop } = await startUpstream();
    const behind = await TestUpstream.start();
    const { old } = await makeStates(upstream);
    behind.serve(old);
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, { fallback: [behind.url], ...retire });
    await runOnce(mirror, parts);
    await stop();
    const result = await runOnce(mirror, parts);
    expect(result).toMatchObject({ outcome: 'unchanged', report: { retired: 0, added: 0 } });
    expect(result.report.warnings.join('\n')).toMatch(
      /127\.0\.0\.1:\d+\/streams\/v1\/index\.json: it is older .*2024-09-03T10:00:00Z.*2024-10-02T10:00:00Z/,
    );
    expect(await shown(parts)).toEqual(newest);
    // --force concerns the main address: nobody asked for what a fallback has.
    expect((await runOnce(mirror, parts, { force: true })).outcome).toBe('unchanged');
    expect(await shown(parts)).toEqual(newest);
    // What is selected by now was never read: not everything is here.
    const more = { ...mirror, select: [{ os: ['debian'] }] };
    expect((await runOnce(more, parts)).outcome).toBe('partial');
  });

  test('still gives files, while the next address gives the documents', async () => {
    const { upstream, stop } = await startUpstream();
    const { old } = await makeStates(upstream);
    const [behind, current] = [await TestUpstream.start(), await TestUpstream.start()];
    const parts = await mirrorServices();
    const mirror = definition(upstream.url, { fallback: [behind.url, current.url], ...retire });
    await runOnce(mirror, parts);
    upstream.updated = 'Fri, 04 Oct 2024 10:00:00 +0000';
    await upstream.offer('debian:trixie:amd64:default', '20241003_0000');
    const isDocument = (path: string) => path.startsWith('streams/');
    const files = [...upstream.snapshot()];
    current.serve(new Map(files.filter(([path]) => isDocument(path))));
    const documents = [...old].filter(([path]) => isDocument(path));
    behind.serve(new Map([...documents, ...files.filter(([path]) => !isDocument(path))]));
    await stop();
    const result = await runOnce(mirror, parts);
    expect(result).toMatchObject({ outcome: 'success', report: { added: 1 } });
    expect(result.report.warnings[0]).toContain(behind.url);
    expect(behind.requests.filter((request) => request.includes('20241003_0000'))).toHaveLength(2);
  });
});

test('the same bytes are no alarm, whatever their entity tag and time', async () => {
  const key = await makeKey();
  const upstream = await TestUpstream.start();
  await makeStates(upstream, { key });
  const parts = await mirrorServices();
  const mirror = definition(upstream.url, { keyring: key.keyring, ...retire });
  await runOnce(mirror, parts);
  upstream.generation = 1;
  upstream.takeRequests();
  expect(await runOnce(mirror, parts)).toMatchObject({ outcome: 'success', report: { warnings: [] } });
  expect(upstream.takeRequests()).toContain('GET streams/v1/index.sjson 200');
  expect(await shown(parts)).toEqual(newest);
});

test('a date in the future is ignored with a warning, and bars no later document', async () => {
  const upstream = await TestUpstream.start();
  await makeStates(upstream);
  const parts = await mirrorServices();
  const mirror = definition(upstream.url, retire);
  await runOnce(mirror, parts);
  upstream.updated = new Date(Date.now() + 86_400_000).toISOString();
  upstream.announce();
  const ahead = await runOnce(mirror, parts);
  expect(ahead.outcome).toBe('success');
  expect(ahead.report.warnings[0]).toMatch(/index\.json: its date .* is in the future and is ignored/);
  // A clock that is minutes ahead is believed.
  upstream.updated = new Date(Date.now() + 120_000).toUTCString();
  upstream.announce();
  expect(await runOnce(mirror, parts)).toMatchObject({ outcome: 'success', report: { warnings: [] } });
  upstream.updated = older.updated;
  upstream.announce();
  expect((await runOnce(mirror, parts)).outcome).toBe('failed');
});

test('what was followed is still compared with after a change of the definition, and by the mirror that takes over', async () => {
  const upstream = await TestUpstream.start();
  const { old } = await makeStates(upstream);
  const parts = await mirrorServices();
  await runOnce(definition(upstream.url, retire), parts);
  upstream.serve(old);
  const changed = definition(upstream.url, { keep: { versions: 3, removed: 'keep' } });
  expect((await runOnce(changed, parts)).report.errorKind).toBe('conflict');
  await handOver('test', 'other', parts, testActor);
  const renamed = definition(upstream.url, { name: 'other' });
  expect((await runOnce(renamed, parts)).report.errorKind).toBe('conflict');
  expect(await shown(parts)).toEqual(newest);
  // An administrator dropped the versions of the mirror, so any document is accepted.
  await dropMirror('other', parts, testActor);
  expect((await runOnce(renamed, parts)).outcome).toBe('success');
});
