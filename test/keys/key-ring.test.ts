import { describe, expect, test } from 'vitest';
import { createKey } from '../../src/keys/create-key.ts';
import { expiryWarning } from '../../src/keys/expiry.ts';
import { factsOf, isNamed } from '../../src/keys/key-ring.ts';

const day = 86_400_000;
const start = Date.parse('2026-01-01T00:00:00Z');

async function keyOf(daysAfter: number) {
  return (await createKey({ name: 'x', rsa: false }, new Date(start + daysAfter * day))).key;
}

describe('the roles of keys', () => {
  test('a newer key signs after the overlap, and the older one stays published', async () => {
    const [old, next] = [await keyOf(0), await keyOf(10)];
    const roles = async (days: number) =>
      (await factsOf([old, next], 90 * day, new Date(start + days * day))).map(({ role, createdAt }) => [
        role,
        (createdAt.getTime() - start) / day,
      ]);
    expect(await roles(99)).toEqual([
      ['signing', 0],
      ['next', 10],
    ]);
    expect(await roles(100)).toEqual([
      ['signing', 10],
      ['previous', 0],
    ]);
  });

  test('a key that stands first signs at once, and older ones are previous', async () => {
    const [old, next] = [await keyOf(0), await keyOf(10)];
    const facts = await factsOf([next, old], 90 * day, new Date(start + 11 * day));
    expect(facts.map(({ role }) => role)).toEqual(['signing', 'previous']);
    expect(facts[0]?.createdAt).toEqual(new Date(start + 10 * day));
  });

  test('a successor tells from when it signs', async () => {
    const facts = await factsOf([await keyOf(0), await keyOf(10)], 90 * day, new Date(start + 11 * day));
    expect(facts[1]).toMatchObject({ role: 'next', signsFrom: new Date(start + 100 * day) });
  });
});

test('a key is named by its fingerprint, or by the end of it', async () => {
  const key = await keyOf(0);
  const fingerprint = key.getFingerprint();
  expect(isNamed(key, fingerprint)).toBe(true);
  expect(isNamed(key, `0x${fingerprint.slice(-16)}`)).toBe(true);
  expect(isNamed(key, fingerprint.slice(-15))).toBe(false);
  expect(isNamed(key, '0000000000000000')).toBe(false);
});

describe('a warning of the expiry', () => {
  const now = new Date(start);
  const level = (days: number) => expiryWarning(new Date(start + days * day), now)?.level;

  test('comes 90, 30 and 7 days before it, and after it', () => {
    expect([91, 90, 31, 30, 8, 7, 1, 0, -1].map(level)).toEqual([undefined, 1, 1, 2, 2, 3, 3, 4, 4]);
    expect(expiryWarning(undefined, now)).toBeUndefined();
  });

  test('names the day and what to do', () => {
    const text = expiryWarning(new Date(start + 7 * day), now)?.text;
    expect(text).toContain('2026-01-08, in 7 days');
    expect(text).toContain('headwater key rotate');
  });
});
