import { describe, expect, test } from 'vitest';
import { parseReceipt, type ReceiptContent, renderReceipt } from '../../../src/bundle/receipt/receipt.ts';
import { parseCode, renderCode, stateCode } from '../../../src/bundle/receipt/short-code.ts';
import { sha256 } from '../../support/catalog.ts';

const content: ReceiptContent = {
  ...{ site: 'vault-7', from: 'hq', created: '2026-11-30T10:00:00.000Z', headwater: '0.2.0' },
  last: { sequence: 7, identity: sha256('manifest') },
  missing: [sha256('c')],
  held: [sha256('b'), sha256('a')],
};

/** The receipt with another field. */
function changed(change: object): string {
  return JSON.stringify({ ...(JSON.parse(renderReceipt(content)) as object), ...change });
}

describe('a receipt', () => {
  test('is read as it was written, its digests sorted', () => {
    const { format, ...read } = parseReceipt(renderReceipt(content), 'r');
    expect(format).toBe('headwater-receipt:1');
    expect(read).toEqual({ ...content, held: content.held.toSorted() });
  });

  test('has a line for each digest and plain ASCII, as clear-signed texts need', () => {
    const text = renderReceipt(content);
    expect(text).toMatch(/^[\x20-\x7e\n]+\n$/);
    expect(Math.max(...text.split('\n').map(({ length }) => length))).toBeLessThan(200);
    expect(text).not.toMatch(/ $/m);
  });

  test.each([
    ['no JSON', '{', 'r: is not JSON'],
    ['no receipt', '[]', 'r: is not a receipt'],
    ['another format', changed({ format: 'headwater-receipt:2' }), 'install a newer version'],
    ['a digest that is none', changed({ held: ['abc'] }), 'r: held.0'],
    ['a digest twice', changed({ held: [sha256('c')] }), 'r: lists a digest twice'],
    ['digests without a bundle', changed({ last: null }), 'no bundle that had them'],
    ['another name of a site', changed({ site: '../vault' }), 'r: site'],
  ])('with %s is refused', (_, text, message) => {
    expect(() => parseReceipt(text, 'r')).toThrow(message);
  });
});

describe('a short code', () => {
  test('depends on the bundle and on each blob, not on their order', () => {
    const identity = sha256('manifest');
    const [a, b] = [sha256('a'), sha256('b')];
    const code = stateCode(identity, [a, b]);
    expect(code).toMatch(/^[0-9a-f]{12}$/);
    expect(stateCode(identity, [b, a])).toBe(code);
    expect(stateCode(identity, [a])).not.toBe(code);
    expect(stateCode(sha256('other'), [a, b])).not.toBe(code);
  });

  test.each(['vault-7 7 3f2a-9c1b-04d2', ' VAULT-7  7 3F2A 9C1B 04D2 ', 'vault-7 7 3f2a9c1b04d2'])(
    'is read as people type it: %j',
    (text) => {
      const code = parseCode(text);
      expect(code).toEqual({ site: 'vault-7', sequence: 7, code: '3f2a9c1b04d2' });
      if (code !== undefined) expect(renderCode(code)).toBe('vault-7 7 3f2a-9c1b-04d2');
    },
  );

  test.each([
    'vault-7',
    'vault-7 7',
    'vault-7 0 3f2a-9c1b-04d2',
    'vault-7 7 3f2a-9c1b-04d',
    '/media/vault 7',
  ])('%j is none', (text) => {
    expect(parseCode(text)).toBeUndefined();
  });
});
