import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assemble, gzipSegment } from '../../../src/simplestreams/write/gzip-segment.ts';

test('pieces make one gzip member that holds all their text', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: 'grapheme', maxLength: 300 }), { maxLength: 12 }),
      async (texts) => {
        const document = assemble(await Promise.all(texts.map(gzipSegment)));
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
  const one = assemble([await gzipSegment('a'), await gzipSegment('b')]);
  const other = assemble([await gzipSegment('a'), await gzipSegment('c')]);
  expect(new Set([one.etag, one.gzipEtag, other.etag, other.gzipEtag]).size).toBe(4);
});
