import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scratchDirectory } from '../../support/catalog.ts';
import { bookworm, ReceivingSite, SendingSite, siteDefinition, type TestBundle } from './sites.ts';

/** Nothing of a bundle may be here. */
async function expectNothing({ services: { catalog, store } }: ReceivingSite): Promise<void> {
  expect(await catalog.received.list('hq')).toEqual([]);
  expect(await catalog.blobs.any()).toBe(false);
  for await (const { digest } of store.list()) expect.fail(digest);
}

/** A bundle with an image. */
async function makeBundle(): Promise<{ hq: SendingSite; bundle: TestBundle }> {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000');
  return { hq, bundle: await hq.write() };
}

test('a bundle whose signature is wrong, absent or of another key is refused, and the message tells which', async () => {
  const { hq, bundle } = await makeBundle();
  const vault = await ReceivingSite.make(hq);
  const other = (await SendingSite.make()).keyring;
  const changed = join(await scratchDirectory(), 'changed');
  await cp(bundle.path, changed, { recursive: true });
  const manifest = await readFile(join(changed, 'bundle.json'), 'utf8');
  await writeFile(join(changed, 'bundle.json'), manifest.replace('20260101_0000', '20260101_0001'));
  await expect(vault.import(changed)).rejects.toMatchObject({
    ...{ kind: 'invalid', message: expect.stringContaining('it was changed after it was signed') },
  });
  const absent = join(await scratchDirectory(), 'absent');
  await cp(bundle.path, absent, { recursive: true });
  await rm(join(absent, 'bundle.json.asc'));
  await expect(vault.import(absent)).rejects.toMatchObject({
    ...{ kind: 'invalid', message: expect.stringContaining('it is not signed') },
  });
  await expect(vault.with({ keyring: other }).import(bundle)).rejects.toMatchObject({
    ...{ kind: 'invalid', message: expect.stringContaining('it is signed by another key') },
  });
  await expectNothing(vault);
});

test('a bundle from another site, or for another site, is refused, and both sites are named', async () => {
  const { hq, bundle } = await makeBundle();
  const vault = await ReceivingSite.make(hq);
  const fromOther = await vault.with({ site: 'lab' }).import(bundle);
  expect(fromOther).toMatchObject({ outcome: 'failed', error: { kind: 'conflict' } });
  expect(fromOther.error).toMatchObject({ message: expect.stringMatching(/from site hq.*from lab/) });
  const forOther = await vault.import(bundle, { ownSite: 'ship' });
  expect(forOther.error).toMatchObject({
    ...{ kind: 'conflict', message: expect.stringMatching(/for site vault-7, and this site is ship/) },
  });
  await expectNothing(vault);
  await vault.import(bundle);
  const elsewhere = await vault.import(await hq.write({ to: 'vault-8' }));
  expect(elsewhere.error).toMatchObject({ message: expect.stringMatching(/for site vault-8.*for vault-7/) });
});

test('a bundle of another chain is refused, and with --force it is followed and written down', async () => {
  const { hq, bundle } = await makeBundle();
  const vault = await ReceivingSite.make(hq);
  await vault.import(bundle);
  const rebuilt = await SendingSite.make();
  await rebuilt.publish('trixie', '20260105_0000');
  const other = await rebuilt.write();
  const inside = vault.with({ keyring: rebuilt.keyring });
  const refused = await inside.import(other);
  expect(refused).toMatchObject({ outcome: 'failed', error: { kind: 'conflict' } });
  expect(refused.error).toMatchObject({
    message: expect.stringMatching(new RegExp(`${other.written.identity}.*${bundle.written.identity}`)),
  });
  expect(await vault.versions()).toEqual([`${bookworm}@20260101_0000`]);
  expect(await inside.import(other, { force: true })).toMatchObject({
    outcome: 'success',
    report: { added: 1 },
  });
  const { catalog } = vault.services;
  expect((await catalog.received.list('hq')).map(({ identity }) => identity)).toEqual([
    other.written.identity,
  ]);
  const actions = (await catalog.audit.list({ limit: 10 })).map(({ action }) => action);
  expect(actions).toContain('bundle.accept-other-chain');
});

test('a later bundle of another chain is refused', async () => {
  const { hq, bundle } = await makeBundle();
  const vault = await ReceivingSite.make(hq);
  await vault.import(bundle);
  const later = await hq.write({ change: (manifest) => ({ ...manifest, previous: '0'.repeat(64) }) });
  const refused = await vault.import(later);
  expect(refused.error).toMatchObject({
    ...{ kind: 'conflict', message: expect.stringContaining(`follows the manifest ${'0'.repeat(64)}`) },
  });
});

test('a number that was given to a bundle that was never finished may be given again', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000');
  const stream = await hq.stream();
  const vault = await ReceivingSite.make(hq);
  expect(await vault.import(stream.subarray(0, 20_000))).toMatchObject({ outcome: 'partial' });
  const [cut] = await vault.services.catalog.received.list('hq');
  const again = await SendingSite.make();
  await again.publish('bookworm', '20260102_0000');
  const inside = vault.with({ keyring: again.keyring });
  expect(await inside.import(await again.write())).toMatchObject({ outcome: 'success' });
  expect((await vault.services.catalog.received.followed('hq'))?.identity).not.toBe(cut?.identity);
});

test('images of an owner whose proof is refused or demanded stay out', async () => {
  const { hq, bundle } = await makeBundle();
  const refusing = await ReceivingSite.make(hq, { upstreams: { local: { proof: 'refuse' } } });
  const refused = await refusing.import(bundle);
  expect(refused.report).toMatchObject({
    added: 0,
    skipped: [{ reason: expect.stringContaining('refuses images of local') }],
  });
  const demanding = await ReceivingSite.make(hq, { upstreams: { '*': { keyring: hq.keyring } } });
  expect((await demanding.import(bundle)).report).toMatchObject({
    ...{ added: 0, skipped: [{ reason: expect.stringContaining('demands a document') }] },
  });
  const silent = await ReceivingSite.make(hq, { upstreams: { 'mirror:x': { proof: 'site' } } });
  expect((await silent.import(bundle)).report).toMatchObject({
    ...{ added: 0, skipped: [{ reason: expect.stringContaining('does not name its owner local') }] },
  });
});

test('unsigned bundles are accepted only where the definition says so', async () => {
  const { hq, bundle } = await makeBundle();
  const vault = await ReceivingSite.make(hq);
  const { keyring: _, ...unsigned } = siteDefinition({ unsigned: true });
  Object.assign(vault.definition, { keyring: undefined, ...unsigned });
  expect(await vault.import(bundle)).toMatchObject({ outcome: 'success' });
});
