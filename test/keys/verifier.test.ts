import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Verifier, withoutSignature } from '../../src/keys/verifier.ts';
import { SigningKey } from '../mirror/upstream/gpg.ts';
import { scratchDirectory } from '../support/catalog.ts';
import { demand, lacks } from '../support/needs.ts';

const isUnsigned = lacks('gpg');

const text = `${JSON.stringify({ format: 'index:1.0', index: { a: ['- b', 'ü'] } }, null, 1)}\n`;
let key: SigningKey;
let stranger: SigningKey;
let old: SigningKey;

beforeAll(async () => {
  if (isUnsigned) return;
  key = await SigningKey.make('owner');
  stranger = await SigningKey.make('stranger');
  old = await SigningKey.make('old', { made: '20200101', expires: '2021-01-01' });
});
afterAll(async () => {
  if (isUnsigned) return;
  for (const each of [key, stranger, old]) await each.remove();
});

const bytes = (content: string) => Buffer.from(content);

describe.skipIf(isUnsigned)('a clear-signed document', () => {
  test('gives its text, whichever form the keyring has', async () => {
    const signed = await key.clearSign(text);
    for (const file of [key.keyring, key.armored]) {
      const verifier = await Verifier.open(file);
      const found = await verifier.clearSigned(bytes(signed), 'index.sjson');
      expect(JSON.parse(found.text)).toEqual(JSON.parse(text));
    }
    expect(JSON.parse(withoutSignature(signed))).toEqual(JSON.parse(text));
  });

  test('gives the time of its signature', async () => {
    const made = await SigningKey.make('early', { made: '20200101' });
    try {
      const verifier = await Verifier.open(made.keyring);
      const signed = await made.clearSign(text, { at: '20200601' });
      const { signedAt } = await verifier.clearSigned(bytes(signed), 'index.sjson');
      expect(signedAt).toEqual(new Date('2020-06-01T00:00:00Z'));
    } finally {
      await made.remove();
    }
  });

  test('is refused when it is not signed', async () => {
    const verifier = await Verifier.open(key.keyring);
    await expect(verifier.clearSigned(bytes(text), 'index.sjson')).rejects.toThrow(
      'index.sjson: refused: it is not signed',
    );
  });

  test('is refused when it was changed, in what is signed or around it', async () => {
    const verifier = await Verifier.open(key.keyring);
    const signed = await key.clearSign(text);
    const changed = signed.replace('index:1.0', 'index:6.6');
    await expect(verifier.clearSigned(bytes(changed), 'index.sjson')).rejects.toThrow(
      /was changed after it was signed/,
    );
    const cut = signed.slice(0, signed.indexOf('-----BEGIN PGP SIGNATURE'));
    await expect(verifier.clearSigned(bytes(cut), 'index.sjson')).rejects.toThrow(/refused/);
    const before = `{"format":"index:1.0"}\n${signed}`;
    await expect(verifier.clearSigned(bytes(before), 'index.sjson')).rejects.toThrow(/it is not signed/);
  });

  test('is refused when another key signed it', async () => {
    const verifier = await Verifier.open(key.keyring);
    const signed = await stranger.clearSign(text);
    await expect(verifier.clearSigned(bytes(signed), 'index.sjson')).rejects.toThrow(
      /it is signed by another key \([0-9A-F]{16}\) than those in .*keyring\.gpg/,
    );
  });

  test('is refused when its key has expired', async () => {
    const verifier = await Verifier.open(old.keyring);
    const signed = await old.clearSign(text, { at: '20200601' });
    await expect(verifier.clearSigned(bytes(signed), 'index.sjson')).rejects.toThrow(
      /the key [0-9A-F]{16} that signed it has expired/,
    );
  });

  test('is refused when its signature has expired', async () => {
    const verifier = await Verifier.open(key.keyring);
    const made = await SigningKey.make('early', { made: '20200101' });
    try {
      const signed = await made.clearSign(text, { at: '20200601', expires: '1w' });
      const its = await Verifier.open(made.keyring);
      await expect(its.clearSigned(bytes(signed), 'index.sjson')).rejects.toThrow(
        /its signature has expired/,
      );
      await expect(verifier.clearSigned(bytes(signed), 'index.sjson')).rejects.toThrow(/another key/);
    } finally {
      await made.remove();
    }
  });

  test.for(['keyring', 'armored'] as const)('is taken when one of two keys is known (%s)', async (form) => {
    const directory = await scratchDirectory();
    const both = join(directory, 'both');
    await writeFile(both, await readFile(stranger[form]));
    await appendFile(both, await readFile(key[form]));
    const verifier = await Verifier.open(both);
    for (const signer of [key, stranger]) {
      await verifier.clearSigned(bytes(await signer.clearSign(text)), 'index.sjson');
    }
  });
});

test.skipIf(isUnsigned)('a detached signature is checked, armored or not', async () => {
  const verifier = await Verifier.open(key.keyring);
  for (const armored of [true, false]) {
    const signature = await key.detached(text, { armored });
    await verifier.detached(bytes(text), signature, 'index.json');
    await expect(verifier.detached(bytes(`${text} `), signature, 'index.json')).rejects.toThrow(
      /index\.json: refused: it was changed after it was signed/,
    );
  }
  await expect(verifier.detached(bytes(text), bytes('no signature'), 'index.json')).rejects.toThrow(
    /its signature cannot be read/,
  );
});

test.skipIf(isUnsigned)('a signature with a hash that does not exist is refused', async () => {
  const verifier = await Verifier.open(key.keyring);
  const signature = await key.detached(text, { armored: false });
  // The header of two bytes, the version, the type and the number of the algorithm (RFC 9580, section 5.2.3).
  signature[5] = 0x63;
  await expect(verifier.detached(bytes(text), signature, 'index.json')).rejects.toMatchObject({
    ...{ kind: 'invalid', message: expect.stringContaining('index.json: refused: ') },
  });
});

test('a keyring that is none says so', async () => {
  const directory = await scratchDirectory();
  const file = join(directory, 'keyring');
  await expect(Verifier.open(file)).rejects.toThrow(/keyring .*: no such file/);
  await writeFile(file, 'no keys');
  await expect(Verifier.open(file)).rejects.toThrow(/holds no OpenPGP public keys/);
});

test.skipIf(isUnsigned)('a keyring of which the end is missing says so', async () => {
  const file = join(await scratchDirectory(), 'cut.asc');
  const [first, second] = [await readFile(key.armored, 'utf8'), await readFile(stranger.armored, 'utf8')];
  await writeFile(file, first + second.slice(0, second.length / 2));
  await expect(Verifier.open(file)).rejects.toThrow(/keyring .*cut\.asc: .*a block of it is cut/);
});

test('the keyring of the Ubuntu cloud images can be read', async () => {
  const keyring = '/usr/share/keyrings/ubuntu-cloudimage-keyring.gpg';
  demand(keyring);
  await Verifier.open(keyring);
});

describe.skipIf(isUnsigned)('a document that was judged in the past', () => {
  test('is accepted although its key has expired since, and says so', async () => {
    const verifier = await Verifier.open(old.keyring);
    const signed = bytes(await old.clearSign(text, { at: '20200601' }));
    const judged = { at: new Date('2020-07-01') };
    expect(await verifier.clearSigned(signed, 'index.sjson', judged)).toMatchObject({
      signedAt: new Date('2020-06-01T00:00:00Z'),
      signedBy: [{ userId: 'old <old@example.com>' }],
      expired: expect.stringMatching(/the key \w+ that signed it has expired on 2021-01-01/) as string,
    });
    // By then its key had expired.
    const late = { at: new Date('2021-02-01') };
    await expect(verifier.clearSigned(signed, 'index.sjson', late)).rejects.toThrow(/has expired/);
    const changed = bytes(signed.toString().replace('index:1.0', 'index:1.1'));
    await expect(verifier.clearSigned(changed, 'index.sjson', judged)).rejects.toThrow(/refused/);
  });

  test('is accepted although its signature has expired since', async () => {
    const made = await SigningKey.make('brief', { made: '20200101' });
    try {
      const verifier = await Verifier.open(made.keyring);
      const signed = bytes(await made.clearSign(text, { at: '20200601', expires: '1w' }));
      const found = await verifier.clearSigned(signed, 'index.sjson', { at: new Date('2020-06-03') });
      expect(found.expired).toBe('its signature has expired on 2020-06-08');
    } finally {
      await made.remove();
    }
  });

  test('has nothing that expired where its key is valid', async () => {
    const verifier = await Verifier.open(key.keyring);
    const found = await verifier.clearSigned(bytes(await key.clearSign(text)), 'index.sjson', {
      at: new Date(),
    });
    expect(found.expired).toBeUndefined();
    expect(found.signedBy).toEqual([
      { fingerprint: expect.stringMatching(/^[0-9A-F]{40}$/) as string, userId: 'owner <owner@example.com>' },
    ]);
  });
});
