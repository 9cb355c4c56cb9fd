import { beforeEach, describe, expect, test } from 'vitest';
import { blobsAtSite, type Since } from '../../../src/bundle/create/base.ts';
import { beginBundle } from '../../../src/bundle/create/create.ts';
import { planBundle } from '../../../src/bundle/create/plan.ts';
import { checkCode, checkReceipt } from '../../../src/bundle/receipt/acknowledge.ts';
import type { Receipt } from '../../../src/bundle/receipt/receipt-schema.ts';
import { stateCode } from '../../../src/bundle/receipt/short-code.ts';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import { scratchCatalog, sha256 } from '../../support/catalog.ts';
import { MemoryStore } from '../../support/memory-store.ts';

let catalog: Catalog;
beforeEach(async () => {
  catalog = await scratchCatalog();
});

/** Records a bundle with one version, which has these files. @returns the SHA-256 of its manifest */
async function send(sequence: number, files: readonly string[], carried: readonly string[]): Promise<string> {
  const identity = await begin(sequence, files, carried);
  await catalog.bundles.finish({ to: 'vault-7', sequence, identity });
  return identity;
}

async function begin(
  sequence: number,
  files: readonly string[],
  carried: readonly string[],
): Promise<string> {
  const blobs = files.map((file) => ({ digest: `sha256:${sha256(file)}`, size: 10 }));
  const sent = files.filter((file) => !carried.includes(file));
  const manifest = planBundle(
    {
      products: [
        {
          ...{ name: 'debian:bookworm:amd64:default', stream: 'images', owner: 'local' },
          ...{ osTitle: 'Debian', releaseTitle: 'bookworm', requirements: {}, aliases: [] },
        },
      ],
      versions: [
        {
          ...{ stream: 'images', product: 'debian:bookworm:amd64:default', serial: '20260101_0000' },
          label: 'release',
          items: blobs.map((blob, at) => ({ type: 'squashfs', file: `f${at}`, ...blob })),
        },
      ],
      blobs,
    },
    {
      ...{ site: 'hq', to: 'vault-7', sequence, previous: null, created: new Date(), limit: 2 ** 30 },
      sent: new Map(sent.map((file) => [`sha256:${sha256(file)}`, 1])),
    },
  );
  const { identity } = await beginBundle(manifest, {
    ...{ catalog, store: new MemoryStore() },
    sign: async () => 'a signature',
  });
  return identity;
}

/** Takes a receipt that names these files. */
async function take(
  last: { sequence: number; identity: string } | null,
  files: { held: readonly string[]; missing?: readonly string[] },
  changes: Partial<Receipt> = {},
): Promise<void> {
  const receipt: Receipt = {
    ...{ format: 'headwater-receipt:1', site: 'vault-7', from: 'hq', headwater: '0.2.0', last },
    created: new Date().toISOString(),
    held: files.held.map(sha256),
    missing: (files.missing ?? []).map(sha256),
    ...changes,
  };
  const toTake = await checkReceipt(receipt, 'a key', catalog);
  await catalog.receipts.take(toTake.receipt, toTake.held);
}

/** The files that the next bundle leaves out. */
async function base(since?: Since): Promise<Record<string, number>> {
  const names = new Map(['a', 'b', 'c', 'd'].map((name) => [`sha256:${sha256(name)}`, name]));
  const found = [...(await blobsAtSite(catalog, 'vault-7', since))].map(
    ([digest, sequence]) => [names.get(digest) ?? digest, sequence] as const,
  );
  return Object.fromEntries(found);
}

describe('the base of the next bundle', () => {
  test('is what was sent, as long as no receipt was taken', async () => {
    await send(1, ['a'], ['a']);
    await send(2, ['a', 'b'], ['b']);
    expect(await base()).toEqual({ a: 1, b: 2 });
    await expect(base('acknowledged')).rejects.toThrow('no receipt of vault-7 was taken');
  });

  test('is what the receipt lists, once one was taken', async () => {
    await send(1, ['a'], ['a']);
    const identity = await send(2, ['a', 'b', 'c'], ['b', 'c']);
    await send(3, ['a', 'd'], ['d']);
    await take({ sequence: 2, identity }, { held: ['a', 'b'], missing: ['c'] });
    expect(await base()).toEqual({ a: 1, b: 2 });
    expect(await base('acknowledged')).toEqual({ a: 1, b: 2 });
    expect(await base('sent')).toEqual({ a: 1, b: 2, d: 3 });
    expect(await base('nothing')).toEqual({});
    expect(await base({ upTo: 1 })).toEqual({ a: 1 });
  });

  test('is empty after the site lost everything', async () => {
    await send(1, ['a'], ['a']);
    await take(null, { held: [] });
    expect(await base()).toEqual({});
    expect(await base('sent')).toEqual({ a: 1 });
  });

  test('has the number of the receipt for a file that no known bundle carried', async () => {
    const identity = await send(4, ['a', 'b'], ['a']);
    await take({ sequence: 4, identity }, { held: ['a', 'b'] });
    expect(await base()).toEqual({ a: 4, b: 4 });
  });
});

describe('a receipt', () => {
  test('acknowledges its bundle and those before it, and is in the audit log', async () => {
    await send(1, ['a'], ['a']);
    const identity = await send(2, ['b'], ['b']);
    await send(3, ['c'], ['c']);
    await take({ sequence: 2, identity }, { held: ['a', 'b'] });
    const states = (await catalog.bundles.list('vault-7')).map(
      ({ acknowledgedAt }) => acknowledgedAt !== undefined,
    );
    expect(states).toEqual([true, true, false]);
    expect(await catalog.audit.list({ limit: 1 })).toMatchObject([
      { action: 'bundle.acknowledge', subject: 'vault-7', details: { sequence: 2, blobs: 2, missing: 0 } },
    ]);
  });

  test('completes a bundle whose command did not end: its number is used', async () => {
    await send(1, ['a'], ['a']);
    const identity = await begin(2, ['b'], ['b']);
    await take({ sequence: 2, identity }, { held: ['a'] });
    expect((await catalog.bundles.list('vault-7')).at(-1)?.finishedAt).toBeDefined();
  });

  test('is refused for a bundle that was not written here, or by another sender', async () => {
    await expect(take(null, { held: [] })).rejects.toThrow('no bundle was written for vault-7');
    const identity = await send(1, ['a'], ['a']);
    await expect(take({ sequence: 2, identity }, { held: [] })).rejects.toThrow('no bundle 2 was written');
    await expect(take({ sequence: 1, identity: sha256('x') }, { held: [] })).rejects.toThrow(
      /names bundle 1 with the manifest .*--since nothing/,
    );
    await expect(take({ sequence: 1, identity }, { held: [] }, { from: 'lab' })).rejects.toThrow(
      'about bundles of lab, and this site is hq',
    );
    expect(await catalog.receipts.find('vault-7')).toBeUndefined();
  });

  test('does not replace a newer one, except by force; the same one again changes nothing', async () => {
    const identity = await send(1, ['a', 'b'], ['a', 'b']);
    const last = { sequence: 1, identity };
    const [older, newer] = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'];
    await take(last, { held: ['a', 'b'] }, { created: newer });
    await take(last, { held: ['a', 'b'] }, { created: newer });
    await expect(take(last, { held: ['a'] }, { created: older })).rejects.toThrow(
      'a newer receipt of vault-7',
    );
    expect(await base()).toEqual({ a: 1, b: 1 });
    const receipt = { site: 'vault-7', sequence: 1, missing: 1, signedBy: 'a key' };
    await catalog.receipts.take({ ...receipt, createdAt: new Date(older) }, [sha256('a')], { force: true });
    expect(await base()).toEqual({ a: 1 });
  });
});

describe('a short code', () => {
  test('acknowledges a site with all files of the bundle', async () => {
    await send(1, ['a'], ['a']);
    const identity = await send(2, ['a', 'b'], ['b']);
    const code = stateCode(identity, ['b', 'a'].map(sha256));
    const taken = await checkCode({ site: 'vault-7', sequence: 2, code }, catalog);
    await catalog.receipts.take(taken.receipt, taken.held);
    expect(await base()).toEqual({ a: 1, b: 2 });
    expect(await catalog.receipts.find('vault-7')).toMatchObject({ sequence: 2, signedBy: null });
    const first = { ...taken.receipt, sequence: 1 };
    await expect(catalog.receipts.take(first, [])).rejects.toThrow('a newer receipt of vault-7');
  });

  test('of a site that lacks a file asks for a full receipt', async () => {
    const identity = await send(1, ['a', 'b'], ['a', 'b']);
    const code = stateCode(identity, [sha256('a')]);
    const refused = checkCode({ site: 'vault-7', sequence: 1, code }, catalog);
    await expect(refused).rejects.toThrow('run "headwater bundle receipt" at vault-7');
    await expect(checkCode({ site: 'vault-7', sequence: 9, code }, catalog)).rejects.toThrow('no bundle 9');
  });
});
