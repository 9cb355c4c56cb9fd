import { expect, test } from 'vitest';
import { clearSigned, signedPart, splitClearSigned } from '../../../../src/keys/clear-text.ts';
import { longestLine, signedForm } from '../../../../src/simplestreams/write/signed/signed-form.ts';

const formOf = (document: unknown) => signedForm(Buffer.from(JSON.stringify(document)));
const linesOf = (text: string) => text.split('\n');

test('the signed form is the same JSON, in ASCII and in short lines', () => {
  const document = {
    content_id: 'images',
    products: Object.fromEntries(
      Array.from({ length: 900 }, (_, index) => [`a:b:c:${index}`, { arch: 'amd64', versions: {} }]),
    ),
  };
  const { text, shortened, omitted } = formOf(document);
  expect(JSON.parse(text)).toEqual(document);
  expect(Math.max(...linesOf(text).map((line) => line.length))).toBeLessThan(100);
  expect({ shortened, omitted }).toEqual({ shortened: [], omitted: [] });
});

test('no character is left that readers take for the end of a line', () => {
  const title = 'one\u2028two\u2029three\u0085four\u000bfive\u000csix\u001cseven é 🦆';
  const { text } = formOf({ products: { x: { release_title: title } } });
  expect(text).toMatch(/^[\n\x20-\x7e]*$/);
  expect(JSON.parse(text)).toEqual({ products: { x: { release_title: title } } });
});

test('aliases that do not fit in a line are left out, and the product is named', () => {
  const names = Array.from({ length: 200 }, (_, index) => `${'a'.repeat(100)}${index}`);
  const { text, shortened, omitted } = formOf({
    products: { long: { aliases: names.join(',') }, short: { aliases: 'a,b' } },
  });
  const { products } = JSON.parse(text) as { products: Record<string, { aliases: string }> };
  const left = products['long']?.aliases.split(',') ?? [];
  expect(left.length).toBeGreaterThan(90);
  expect(left).toEqual(names.slice(0, left.length));
  expect(products['short']?.aliases).toBe('a,b');
  expect({ shortened, omitted }).toEqual({ shortened: ['long'], omitted: [] });
  expect(Math.max(...linesOf(text).map((line) => line.length))).toBeLessThanOrEqual(longestLine);
});

test('a product with another field that does not fit is left out, and named', () => {
  const { text, omitted } = formOf({
    products: { long: { requirements: { x: 'y'.repeat(longestLine) } }, short: { aliases: 'a' } },
  });
  expect(JSON.parse(text)).toEqual({ products: { short: { aliases: 'a' } } });
  expect(omitted).toEqual(['long']);
});

test('a clear-signed text is taken apart as it was put together', () => {
  const text = '- a\n--b\nc\n';
  const armored = '-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n';
  const message = clearSigned(text, { armored, hash: 'SHA512' });
  expect(message).toContain('\n\n- - a\n- --b\nc\n-----BEGIN PGP SIGNATURE-----');
  expect(splitClearSigned(message)).toEqual({ text, armored });
  expect(splitClearSigned(message.replaceAll('\n', '\r\n'))).toEqual({ text, armored });
  expect(splitClearSigned(message.replace('Hash:', 'Comment: x\nHash:'))).toBeUndefined();
  expect(signedPart(text)).toBe('- a\r\n--b\r\nc');
});
