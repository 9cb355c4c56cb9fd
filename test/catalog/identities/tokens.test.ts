import { expect, test } from 'vitest';
import { scratchCatalog } from '../../support/catalog.ts';

test('a token is known by its secret until it expires or is revoked', async () => {
  const catalog = await scratchCatalog();
  const expiresAt = new Date(Date.now() + 60_000);
  const { token, secret } = await catalog.tokens.create({ name: 'ci', actions: ['publish'], expiresAt });
  expect(await catalog.tokens.authenticate(secret)).toMatchObject({ id: token.id, actions: ['publish'] });
  expect(await catalog.tokens.authenticate(`${secret}x`)).toBeUndefined();
  expect(await catalog.tokens.authenticate(secret, expiresAt)).toBeUndefined();
  await catalog.tokens.revoke('ci');
  expect(await catalog.tokens.authenticate(secret)).toBeUndefined();
  await expect(catalog.tokens.revoke('ci')).rejects.toThrow(/no active token ci/);
});

test('the secret is kept nowhere, and the last use is noted', async () => {
  const catalog = await scratchCatalog();
  const { secret } = await catalog.tokens.create({ name: 'ci', actions: ['read'] });
  const used = new Date();
  await catalog.tokens.authenticate(secret, used);
  const [listed] = await catalog.tokens.list();
  expect(listed?.lastUsedAt).toEqual(used);
  expect(JSON.stringify(listed)).not.toContain(secret.slice(3));
});

test('two tokens in force cannot have one name', async () => {
  const catalog = await scratchCatalog();
  await catalog.tokens.create({ name: 'ci', actions: ['read'] });
  await expect(catalog.tokens.create({ name: 'ci', actions: ['read'] })).rejects.toThrow(/exists/);
  await catalog.tokens.revoke('ci');
  await catalog.tokens.create({ name: 'ci', actions: ['read'] });
});

test('tokens that ended are listed for 30 days, and then on request only', async () => {
  const { tokens } = await scratchCatalog();
  const start = new Date('2026-01-01T00:00:00Z');
  const days = (count: number) => new Date(start.getTime() + count * 24 * 3_600_000);
  await tokens.create({ name: 'for ever', actions: ['read'] }, start);
  await tokens.create({ name: 'revoked', actions: ['read'] }, start);
  await tokens.create({ name: 'expired', actions: ['read'], expiresAt: days(1) }, start);
  const used = await tokens.create({ name: 'used', actions: ['read'] }, start);
  await tokens.authenticate(used.secret, start);
  await tokens.revoke('revoked', days(1));
  const names = async (now: Date, all = false) =>
    (await tokens.list({ all }, now)).map(({ name }) => name).sort();
  expect(await names(days(31))).toEqual(['expired', 'for ever', 'revoked', 'used']);
  expect(await names(days(31.01))).toEqual(['for ever', 'used']);
  expect(await names(days(31.01), true)).toEqual(['expired', 'for ever', 'revoked', 'used']);
});
