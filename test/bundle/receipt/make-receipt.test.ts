import { expect, test } from 'vitest';
import { blobsAtSite } from '../../../src/bundle/create/base.ts';
import { checkCode, checkReceipt } from '../../../src/bundle/receipt/acknowledge.ts';
import { makeReceipt } from '../../../src/bundle/receipt/make-receipt.ts';
import { parseReceipt, renderReceipt } from '../../../src/bundle/receipt/receipt.ts';
import { parseCode, renderCode } from '../../../src/bundle/receipt/short-code.ts';
import { parseDigest } from '../../../src/model/digest.ts';
import { ReceivingSite, SendingSite } from '../../mirror/site/sites.ts';

/** The receipt of a site, as the other one reads it. */
async function receiptOf({ definition, services }: ReceivingSite) {
  const { content, code } = await makeReceipt(definition, services, undefined);
  return { receipt: parseReceipt(renderReceipt(content), 'receipt'), code };
}

async function take({ services: { catalog } }: SendingSite, vault: ReceivingSite): Promise<void> {
  const { receipt } = await receiptOf(vault);
  const toTake = await checkReceipt(receipt, 'a key', catalog);
  await catalog.receipts.take(toTake.receipt, toTake.held);
}

/** Writes a bundle with what the site lacks. */
async function writeNext(hq: SendingSite) {
  return await hq.write({ base: await blobsAtSite(hq.services.catalog, 'vault-7', undefined) });
}

test('after a loss of data, the receipt names what is missing, and the next bundle brings exactly that', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000');
  await hq.publish('trixie', '20260101_0000');
  const vault = await ReceivingSite.make(hq);
  const first = await hq.write();
  await vault.import(first);
  const [lost] = first.manifest.carried;
  if (lost === undefined) throw new Error('nothing was carried');
  await vault.services.store.remove(parseDigest(lost.digest));
  const { receipt } = await receiptOf(vault);
  expect(receipt.missing).toEqual([parseDigest(lost.digest)]);
  expect(receipt.held).toHaveLength(first.manifest.carried.length - 1);
  await take(hq, vault);
  const second = await writeNext(hq);
  expect(second.manifest.carried.map(({ digest }) => digest)).toEqual([lost.digest]);
  expect(await vault.import(second)).toMatchObject({ outcome: 'success' });
  expect(await vault.services.store.stat(parseDigest(lost.digest))).toMatchObject({ size: lost.size });
  await take(hq, vault);
  expect((await writeNext(hq)).manifest.carried).toEqual([]);
});

test('a site that lost everything gets everything', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000');
  const first = await hq.write();
  const vault = await ReceivingSite.make(hq);
  await expect(makeReceipt(vault.definition, vault.services, undefined)).rejects.toThrow('set "site"');
  const { content, code } = await makeReceipt(vault.definition, vault.services, 'vault-7');
  expect(content).toMatchObject({ site: 'vault-7', from: 'hq', last: null, held: [] });
  expect(code).toBeUndefined();
  const { catalog } = hq.services;
  const toTake = await checkReceipt(parseReceipt(renderReceipt(content), 'receipt'), 'a key', catalog);
  await catalog.receipts.take(toTake.receipt, toTake.held);
  expect((await writeNext(hq)).manifest.carried).toHaveLength(first.manifest.carried.length);
});

test('blobs that versions wait for are missing, those of other streams are not', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000');
  const first = await hq.write();
  await hq.publish('trixie', '20260102_0000');
  const second = await hq.write();
  const vault = await ReceivingSite.make(hq);
  await vault.import(second);
  const digests = first.manifest.carried.map(({ digest }) => parseDigest(digest)).sort();
  expect((await receiptOf(vault)).receipt).toMatchObject({ last: { sequence: 2 }, missing: digests });
  const choosy = await ReceivingSite.make(hq, { select: [{ release: ['trixie'] }] });
  await choosy.import(second);
  expect((await receiptOf(choosy)).receipt.missing).toEqual([]);
});

test('the short code of a site with everything is accepted, and that of another is not', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000');
  const vault = await ReceivingSite.make(hq);
  const bundle = await hq.write();
  await vault.import(bundle);
  const code = async () => {
    const { code } = await receiptOf(vault);
    const read = code && parseCode(renderCode(code));
    if (read === undefined) throw new Error('no code');
    return read;
  };
  const { catalog } = hq.services;
  const taken = await checkCode(await code(), catalog);
  expect(taken.held).toHaveLength(bundle.manifest.carried.length);
  const [lost] = bundle.manifest.carried;
  await vault.services.store.remove(parseDigest(lost?.digest ?? ''));
  await expect(checkCode(await code(), catalog)).rejects.toThrow('run "headwater bundle receipt" at vault-7');
});
