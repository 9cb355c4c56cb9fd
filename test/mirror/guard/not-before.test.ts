import { expect, onTestFinished, test } from 'vitest';
import { demand } from '../../support/needs.ts';
import { TestUpstream } from '../test-upstream.ts';
import { SigningKey } from '../upstream/gpg.ts';
import { definition, held, mirrorServices } from '../workspace.ts';
import { bookworm, makeStates, runOnce } from './states.ts';

test('documents older than notBefore are refused from the first run on, also with --force', async () => {
  const upstream = await TestUpstream.start();
  const { old, recent } = await makeStates(upstream);
  const parts = await mirrorServices();
  const mirror = definition(upstream.url, { notBefore: new Date('2024-10-01T00:00:00Z') });
  upstream.serve(old);
  for (const force of [false, true]) {
    const refused = await runOnce(mirror, parts, { force });
    expect(refused).toMatchObject({ outcome: 'failed', report: { errorKind: 'conflict' } });
    expect(String(refused.error)).toMatch(
      /index\.json: it is of 2024-09-03T10:00:00Z, and notBefore is 2024-10-01T00:00:00Z\..*mirrors\/test\.yaml/,
    );
  }
  expect(await held(parts)).toEqual([]);
  upstream.serve(recent);
  expect((await runOnce(mirror, parts)).outcome).toBe('success');
  // A later date counts for documents that have not changed, too.
  const stricter = definition(upstream.url, { notBefore: new Date('2024-11-01T00:00:00Z') });
  expect((await runOnce(stricter, parts)).outcome).toBe('failed');
});

test('without a date in the documents, notBefore is compared with the signature; without both they are refused', async () => {
  demand('gpg');
  const key = await SigningKey.make('owner', { made: '20200101' });
  onTestFinished(() => key.remove());
  const upstream = await TestUpstream.start();
  await upstream.offer(bookworm, '20240101_0000');
  const notBefore = new Date('2024-10-01T00:00:00Z');
  const undated = await runOnce(definition(upstream.url, { notBefore }), await mirrorServices());
  expect(String(undated.error)).toMatch(/it has no date that can be read, and notBefore is/);
  const mirror = definition(upstream.url, { keyring: key.keyring, notBefore });
  await upstream.sign(key, { at: '20240930' });
  expect(String((await runOnce(mirror, await mirrorServices())).error)).toMatch(/it is of 2024-09-30/);
  upstream.announce();
  await upstream.sign(key, { at: '20241001' });
  expect((await runOnce(mirror, await mirrorServices())).outcome).toBe('success');
});

test('a fallback that is older than notBefore is left out', async () => {
  const upstream = await TestUpstream.start();
  const behind = await TestUpstream.start();
  const { old, recent } = await makeStates(upstream);
  behind.serve(old);
  upstream.files.clear();
  const parts = await mirrorServices();
  const mirror = definition(upstream.url, {
    fallback: [behind.url],
    notBefore: new Date('2024-10-01T00:00:00Z'),
  });
  // Nothing is known of what is selected.
  expect((await runOnce(mirror, parts)).outcome).toBe('partial');
  expect(await held(parts)).toEqual([]);
  upstream.serve(recent);
  expect((await runOnce(mirror, parts)).outcome).toBe('success');
});
