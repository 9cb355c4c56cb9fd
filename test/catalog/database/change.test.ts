import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Catalog } from '../../../src/catalog/catalog.ts';
import { Database } from '../../../src/catalog/database/database.ts';
import { HeadwaterError } from '../../../src/errors.ts';
import { noRights } from '../../../src/model/rights.ts';
import { Documents } from '../../../src/simplestreams/write/documents.ts';
import { draft, openCatalog, pushDraft, scratchDirectory, stored, testActor } from '../../support/catalog.ts';

const product = 'debian:bookworm:amd64:default';

async function scratchDatabase(): Promise<Database> {
  const database = await Database.open(join(await scratchDirectory(), 'catalog.db'));
  onTestFinished(() => database.close());
  return database.by(testActor);
}

test('a change that asks for no revision takes none, and one that asks twice takes one', async () => {
  const database = await scratchDatabase();
  await database.change((change) => change.db.deleteFrom('audit').execute());
  expect(database.revision()).toBe(0);
  const asked = await database.change(async (change) => [await change.revision(), await change.revision()]);
  expect([asked, database.revision()]).toEqual([[1, 1], 1]);
});

test('a part of a change that fails gives back the revision that it took', async () => {
  const database = await scratchDatabase();
  const seen = await database.change(async (change) => {
    const failed = await change.attempt(async () => {
      await change.revision();
      throw new HeadwaterError('conflict', 'taken');
    });
    return [failed, await change.revision()];
  });
  expect(seen).toEqual([{ error: expect.objectContaining({ message: 'taken' }) }, 1]);
  expect(database.revision()).toBe(1);
});

test('changes of the same moment have revisions of their own, also beside one that fails', async () => {
  const database = await scratchDatabase();
  const outcomes = await Promise.allSettled(
    [1, 2, 3].map((number) =>
      database.change(async (change) => {
        const revision = await change.revision();
        if (number === 2) throw new Error('fails');
        return revision;
      }),
    ),
  );
  expect(outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : 'failed'))).toEqual([
    1,
    'failed',
    2,
  ]);
});

test('what no document shows takes no revision, and servers do not look for changed products', async () => {
  const file = join(await scratchDirectory(), 'catalog.db');
  const [catalog, other] = [await openCatalog(file), await openCatalog(file)];
  await catalog.versions.publish(draft(), stored);
  const { token, secret } = await catalog.tokens.create({ name: 'ci', actions: ['read'] });
  const [{ digest } = { digest: '' }] = draft().items;
  await catalog.sources.record([{ digest, size: 700, mirror: 'site', path: 'a' }]);
  const lease = { holder: 'one', expiresAt: new Date(Date.now() + 60_000) };
  await catalog.mirrors.acquire('site', lease);
  const { revision } = await catalog.changes.since(0);

  const documents = new Documents(other, { onError: (error) => expect.unreachable(String(error)) });
  await documents.start();
  onTestFinished(() => documents.stop());
  const looks = vi.spyOn(other.changes, 'since');

  expect(await catalog.tokens.authenticate(secret)).toMatchObject({ id: token.id });
  expect(await catalog.mirrors.renew('site', lease)).toBe(true);
  await catalog.mirrors.setNextRun('site', new Date());
  await catalog.sources.noteAsked(digest);
  await catalog.audit.trim(1);
  expect((await catalog.tokens.list())[0]?.lastUsedAt).toBeInstanceOf(Date);
  expect(await catalog.audit.list({ limit: 10 })).toHaveLength(1);
  expect((await catalog.changes.since(0)).revision).toBe(revision);

  await catalog.versions.remove({ stream: 'images', name: product }, '20260101_0000');
  await expect.poll(() => documents.revision).toBe(revision + 1);
  expect(looks.mock.calls).toEqual([[revision]]);
});

test('an actor without a right, and a catalog that names no actor, are refused', async () => {
  const file = join(await scratchDirectory(), 'catalog.db');
  const allowed = await openCatalog(file);
  await allowed.versions.publish(draft({ implied: ['debian/bookworm'] }), stored);
  const place = await allowed.pushed.push(pushDraft('one', { aliases: [{ name: 'app' }] }), {
    assertStored: stored,
    quotas: {},
  });
  const opened = await Catalog.open(file);
  onTestFinished(() => opened.close());
  const family = { os: 'debian', release: 'bookworm', variant: 'default' };
  for (const catalog of [opened, allowed.by({ ...testActor, permit: noRights })]) {
    const attempts = [
      () => catalog.versions.publish(draft({ serial: '20260102_0000' }), stored),
      () => catalog.versions.remove({ stream: 'images', name: product }, '20260101_0000'),
      () => catalog.pushed.push(pushDraft('two'), { assertStored: stored, quotas: {} }),
      () => catalog.pushed.edit(place, (current) => current),
      () => catalog.pushed.remove(place),
      () => catalog.imageAliases.set({ name: 'app', from: 'pushed' }, place),
      () => catalog.imageAliases.remove('pushed', 'app'),
      () => catalog.imageAliases.rename('pushed', 'app', 'other'),
    ];
    for (const attempt of attempts) await expect(attempt()).rejects.toMatchObject({ kind: 'forbidden' });
    // What the actor may not see does not exist for it.
    await expect(catalog.aliases.set('other', family)).rejects.toMatchObject({ kind: 'not-found' });
    await expect(catalog.aliases.unset('debian/bookworm')).rejects.toMatchObject({ kind: 'not-found' });
    expect(await catalog.blobs.mayUse('some digest')).toBe(false);
  }
  expect(await allowed.products.find({ stream: 'images', name: product })).toMatchObject({
    versions: [{ serial: '20260101_0000' }],
  });
});

test('an actor cannot be named without saying what it may do', async () => {
  const catalog = await openCatalog(join(await scratchDirectory(), 'catalog.db'));
  // @ts-expect-error `permit` is missing
  const mine = catalog.by({ who: 'token:ci', from: '192.0.2.1' });
  await expect(mine.versions.publish(draft(), stored)).rejects.toThrow();
  expect(await catalog.products.find({ stream: 'images', name: product })).toBeUndefined();
});
