import { describe, expect, test } from 'vitest';
import { hashOf } from '../../src/catalog/identities/tokens.ts';
import type { PushDraft } from '../../src/catalog/images/pushed.ts';
import { unlimited } from '../../src/model/rights.ts';
import { draft, pushDraft, scratchCatalog, stored } from '../support/catalog.ts';

const actor = { who: 'client:laptop', from: '192.0.2.1', permit: unlimited };
const family = { os: 'debian', release: 'bookworm', variant: 'default' };

describe('the audit log', () => {
  test('has every change: who made it, from where, and what it was', async () => {
    const catalog = await scratchCatalog();
    const mine = catalog.by(actor);
    await mine.versions.publish(draft({ aliases: ['a'] }), stored);
    await mine.aliases.set('b', family);
    await mine.aliases.unset('b');
    await mine.versions.remove({ stream: 'images', name: 'debian:bookworm:amd64:default' }, '20260101_0000');
    await mine.tokens.create({ name: 'ci', actions: ['read'] });
    await mine.tokens.revoke('ci');
    await mine.clients.add({ name: 'x', fingerprint: 'f'.repeat(64), certificate: '', actions: ['read'] });
    await mine.clients.revoke('x');
    const entries = await catalog.audit.list({ limit: 100 });
    expect(entries.every(({ who, from }) => who === actor.who && from === actor.from)).toBe(true);
    expect(entries.map(({ action, subject }) => `${action} ${subject}`).reverse()).toEqual([
      'version.publish debian:bookworm:amd64:default@20260101_0000',
      'alias.set b',
      'alias.unset b',
      'version.remove debian:bookworm:amd64:default@20260101_0000',
      'token.create ci',
      'token.revoke ci',
      'client.join x',
      'client.revoke x',
    ]);
  });

  test('tells what became of a pushed image: who sees it, what was edited, what went with it', async () => {
    const catalog = await scratchCatalog();
    const mine = catalog.by(actor);
    const hiddenImage = pushDraft('one', { hidden: true, aliases: [{ name: 'app' }] });
    const push = (image: PushDraft) => mine.pushed.push(image, { assertStored: stored, quotas: {}, keep: 1 });
    const place = await push(hiddenImage);
    await push({ ...hiddenImage, hidden: false });
    await mine.pushed.edit(place, ({ pushed, hidden }) => ({
      hidden,
      pushed: { ...pushed, properties: { os: 'Debian', color: 'blue' }, expiresAt: new Date(0) },
    }));
    const next = await push(pushDraft('two', { aliases: [{ name: 'app' }, { name: 'v2' }] }));
    await mine.pushed.remove(next);
    const [fingerprint, second] = [hiddenImage.fingerprint, pushDraft('two').fingerprint];
    const entries = await catalog.audit.list({ limit: 100 });
    expect(entries.reverse().map(({ action, details }) => ({ action, ...details }))).toEqual([
      { action: 'image.push', fingerprint, aliases: ['app'], public: false },
      { action: 'image.push', fingerprint, aliases: ['app'], public: true, known: true, madePublic: true },
      {
        action: 'image.edit',
        fingerprint,
        public: true,
        changed: ['expires_at', 'properties.color', 'properties.os', 'properties.release'],
      },
      { action: 'image.push', fingerprint: second, aliases: ['app', 'v2'], public: true },
      { action: 'image.prune', fingerprint, keep: 1 },
      { action: 'image.delete', fingerprint: second, aliases: ['app', 'v2'] },
    ]);
  });

  test('names the token that a client joined with', async () => {
    const catalog = await scratchCatalog();
    const { token, secret } = await catalog.tokens.create({
      name: 'laptop',
      purpose: 'join',
      actions: ['read'],
    });
    await catalog.clients.join(hashOf(secret), { fingerprint: 'f'.repeat(64), certificate: '' });
    const [joined] = await catalog.audit.list({ limit: 1 });
    expect(joined?.details).toMatchObject({ token: 'laptop', tokenId: token.id });
  });

  test('has nothing of a change that was refused or that changed nothing', async () => {
    const catalog = await scratchCatalog();
    await catalog.by(actor).versions.publish(draft(), stored);
    await catalog.by(actor).versions.publish(draft(), stored);
    await expect(
      catalog
        .by(actor)
        .versions.publish(draft({ serial: '20260102_0000' }), () => Promise.reject(new Error('x'))),
    ).rejects.toThrow('x');
    await expect(catalog.by(actor).aliases.unset('none')).rejects.toThrow('none');
    expect(await catalog.audit.list({ limit: 100 })).toHaveLength(1);
  });

  test('is read by pages, from a time on, of one who', async () => {
    const catalog = await scratchCatalog();
    const other = catalog.by({ ...actor, who: 'token:ci' });
    for (const name of ['a', 'b', 'c', 'd']) {
      await (name === 'c' ? other : catalog.by(actor)).tokens.create({ name, actions: ['read'] });
    }
    const subjects = async (options: Parameters<typeof catalog.audit.list>[0]) =>
      (await catalog.audit.list(options)).map(({ subject }) => subject);
    const [, second] = await catalog.audit.list({ limit: 2 });
    expect(await subjects({ limit: 2 })).toEqual(['d', 'c']);
    expect(await subjects({ limit: 2, before: second?.id ?? 0 })).toEqual(['b', 'a']);
    expect(await subjects({ limit: 100, who: 'token:ci' })).toEqual(['c']);
    expect(await subjects({ limit: 100, since: new Date(Date.now() + 1000) })).toEqual([]);
  });

  test('keeps as many entries as it is told, the newest', async () => {
    const catalog = await scratchCatalog();
    for (const name of ['a', 'b', 'c', 'd']) await catalog.tokens.create({ name, actions: ['read'] });
    await catalog.audit.trim(10);
    expect(await catalog.audit.list({ limit: 100 })).toHaveLength(4);
    await catalog.audit.trim(2);
    expect((await catalog.audit.list({ limit: 100 })).map(({ subject }) => subject)).toEqual(['d', 'c']);
  });
});
