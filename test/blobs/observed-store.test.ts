import { once } from 'node:events';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { DirectoryStore } from '../../src/blobs/directory/directory-store.ts';
import { observeStore } from '../../src/blobs/observed-store.ts';
import { HeadwaterError } from '../../src/errors.ts';
import type { Digest } from '../../src/model/digest.ts';
import { scratchDirectory } from '../support/catalog.ts';

test.each([
  [
    'a reader that left',
    Object.assign(new Error('Premature close'), { code: 'ERR_STREAM_PREMATURE_CLOSE' }),
    [],
  ],
  ['a store that failed half way', new HeadwaterError('unavailable', 'gone'), ['unavailable']],
])('%s counts as a failure of the store only when it is one', async (_, error, expected) => {
  const bytes = new Readable({ read: () => undefined });
  const store = new DirectoryStore(await scratchDirectory());
  store.read = () => Promise.resolve(bytes);
  const kinds: string[] = [];
  const read = await observeStore(store, (_operation, kind) => kinds.push(kind)).read('00' as Digest);
  read.destroy(error);
  await once(read, 'close').catch(() => undefined);
  expect(kinds).toEqual(expected);
});
