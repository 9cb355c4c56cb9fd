import { readFile } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { SignerSource } from '../../../../src/keys/open-signer.ts';
import { SigningKeys } from '../../../../src/keys/signing-keys.ts';
import { SigningThread } from '../../../../src/simplestreams/write/signed/signing-thread.ts';
import { lacks } from '../../../support/needs.ts';
import { gpgvBytes, scratchKey } from '../../../support/signing.ts';

async function start(source: SignerSource, program?: URL): Promise<SigningThread> {
  const thread = await SigningThread.start(source, program);
  onTestFinished(() => thread.close());
  return thread;
}

const none: SignerSource = { type: 'command', command: ['none'], publicKeys: new Uint8Array() };

test('a thread that ends fails what it was asked for, and is started again', async () => {
  const thread = await start(none, new URL('ending-worker.mjs', import.meta.url));
  expect([...(await thread.detached(Uint8Array.of(1, 2)))]).toEqual([1, 2]);
  const asked = [Uint8Array.of(0), Uint8Array.of(3)].map((bytes) => thread.detached(bytes));
  for (const answer of asked) await expect(answer).rejects.toThrow('the thread that signs has ended');
  expect([...(await thread.detached(Uint8Array.of(4)))]).toEqual([4]);
});

test('a thread that is closed is asked in vain', async () => {
  const thread = await start(none, new URL('ending-worker.mjs', import.meta.url));
  const asked = thread.detached(Uint8Array.of(0));
  await thread.close();
  await expect(asked).rejects.toThrow('the thread that signs has ended');
  await expect(thread.detached(Uint8Array.of(1))).rejects.toThrow('stopping');
});

test('a key that cannot be used leaves the one before', async ({ skip }) => {
  skip(lacks('gpgv'), 'gpgv is missing');
  const [first, locked, second] = [
    await scratchKey(),
    await scratchKey({ passphrase: 'correct horse' }),
    await scratchKey(),
  ];
  const sourceOf = async (key: string) => (await SigningKeys.open({ key, overlap: 1 })).source;
  const thread = await start(await sourceOf(first.key));
  const bytes = await readFile(first.keyring);
  const accepts = async (keyring: string) =>
    (await gpgvBytes(keyring, bytes, await thread.detached(new Uint8Array(bytes)))).code === 0;
  await expect(thread.use(await sourceOf(locked.key))).rejects.toThrow('passphrase');
  expect(await accepts(first.keyring)).toBe(true);
  await thread.use(await sourceOf(second.key));
  expect([await accepts(first.keyring), await accepts(second.keyring)]).toEqual([false, true]);
});
