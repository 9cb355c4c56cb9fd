import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assemble, makePiece } from '../../../src/simplestreams/write/gzip-segment.ts';

test('pieces make one gzip member that holds all their text', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: 'grapheme', maxLength: 300 }), { maxLength: 12 }),
      async (texts) => {
        const document = assemble(await Promise.all(texts.map(makePiece)));
        const text = texts.join('');
        expect(Buffer.concat(document.plain).toString()).toBe(text);
        expect(document.plainLength).toBe(Buffer.byteLength(text));
        expect(gunzipSync(document.gzip).toString()).toBe(text);
      },
    ),
    { numRuns: 50 },
  );
});

test('entity tags differ between texts and between the plain and the compressed form', async () => {
  const one = assemble([await makePiece('a'), await makePiece('b')]);
  const other = assemble([await makePiece('a'), await makePiece('c')]);
  expect(new Set([one.etag, one.gzipEtag, other.etag, other.gzipEtag]).size).toBe(4);
});
