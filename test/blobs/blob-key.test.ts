import { expect, test } from 'vitest';
import { blobKey, digestOfKey } from '../../src/blobs/blob-key.ts';
import { sample } from './bytes.ts';

test('the key of a blob tells its digest, and no other key does', () => {
  const { digest } = sample(10);
  const key = blobKey(digest);
  expect(key).toBe(`blobs/sha256/${digest.slice(0, 2)}/${digest}`);
  expect(digestOfKey(key)).toBe(digest);
  const wrong = digest.startsWith('00') ? 'ff' : '00';
  for (const other of ['', `${key}.bak`, `x/${key}`, key.slice(0, -1), `blobs/sha256/${wrong}/${digest}`]) {
    expect(digestOfKey(other)).toBeUndefined();
  }
});
