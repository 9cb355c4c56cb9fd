import { hash, randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import { grant } from '../../../src/model/rights.ts';
import { Enrollment, networkOf } from '../../../src/registry/join/enrollment.ts';
import { scratchCatalog } from '../../support/catalog.ts';

const shared = 'a secret that is shared';
const wrong = 'not authorized: the secret is wrong';
const tooMany = 'not authorized: too many wrong secrets: use a join token, or try again in a minute';

/** How many wrong secrets a network may try within a minute. */
const allowed = 10;
const minute = 60_000;

describe('wrong secrets', () => {
  let catalog: Catalog;
  let enrollment: Enrollment;

  async function setUp(): Promise<void> {
    catalog = await scratchCatalog();
    // The clock of the limit; the catalog goes by another one.
    vi.useFakeTimers({ toFake: ['performance'] });
    enrollment = new Enrollment({ sharedSecret: shared, pushedTo: 'pushed' });
  }

  afterEach(() => void vi.useRealTimers());

  /** @returns the name of the client that was let in, or why it was not */
  async function join(secret: string, address: string): Promise<string> {
    const fingerprint = hash('sha256', randomBytes(16));
    const name = `client ${fingerprint.slice(0, 8)}`;
    const options = { secret, name, address };
    return await enrollment.join(catalog, { fingerprint, pem: 'PEM' }, options).then(
      (client) => client.name,
      (error: Error) => error.message,
    );
  }

  async function guess(count: number, address: (index: number) => string): Promise<string[]> {
    const answers = [];
    for (let index = 0; index < count; index++) answers.push(await join(`guess ${index}`, address(index)));
    return answers;
  }

  test('up to the limit are refused as wrong, and the shared secret lets in all the same', async () => {
    await setUp();
    for (const answer of await guess(allowed - 1, () => '192.0.2.1')) expect(answer).toContain(wrong);
    expect(await join(shared, '192.0.2.1')).toMatch(/^client /);
    // Success does not begin the count again.
    expect(await join('the tenth', '192.0.2.1')).toContain(wrong);
    expect(await join(shared, '192.0.2.1')).toBe(tooMany);
  });

  test('beyond it close the network to the shared secret, not to a join token, and no other network', async () => {
    await setUp();
    await guess(allowed, (index) => `2001:db8:1:2::${index}`);
    expect(await join(shared, '2001:db8:1:2:ffff::1')).toBe(tooMany);
    expect(await join('another guess', '2001:db8:1:2::1')).toBe(tooMany);
    expect(await join(shared, '2001:db8:1:3::1')).toMatch(/^client /);
    expect(await join(shared, '192.0.2.1')).toMatch(/^client /);
    const rights = grant('join', {}, { pushedTo: 'pushed' });
    const { secret } = await catalog.tokens.create({ name: 'by token', purpose: 'join', ...rights });
    expect(await join(secret, '2001:db8:1:2::1')).toBe('by token');
  });

  test('are forgotten a minute after the first of them, whatever was tried meanwhile', async () => {
    await setUp();
    await guess(allowed, () => '192.0.2.1');
    vi.advanceTimersByTime(minute - 1);
    expect(await join(shared, '192.0.2.1')).toBe(tooMany);
    vi.advanceTimersByTime(1);
    expect(await join(shared, '192.0.2.1')).toMatch(/^client /);
    for (const answer of await guess(allowed, () => '192.0.2.1')) expect(answer).toContain(wrong);
    expect(await join(shared, '192.0.2.1')).toBe(tooMany);
  });
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::6', '2001:db8:1:2'],
  ['2001:db8::6', '2001:db8:0:0'],
  ['2001:DB8:0001::', '2001:db8:1:0'],
  ['::1', '0:0:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
])('guesses from %s are counted as those of %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});
