import { join } from 'node:path';
import { expect, test } from 'vitest';
import { draft, openCatalog, scratchDirectory, stored } from '../../support/catalog.ts';

test('two catalogs of a process that change one file at the same moment do not block each other', async () => {
  const file = join(await scratchDirectory(), 'catalog.db');
  const [one, other] = [await openCatalog(file), await openCatalog(file)];
  // The transaction waits for the store while the other one begins.
  const slow = () => new Promise<void>((resolve) => setImmediate(resolve));
  const made = await Promise.all([
    one.versions.publish(draft({ os: 'one' }), slow),
    other.versions.publish(draft({ os: 'other' }), slow),
    other.sources.record([{ digest: 'ab', size: 1, mirror: 'm', path: 'p' }]),
    one.versions.publish(draft({ os: 'third' }), stored),
  ]);
  expect(made.filter((each) => each?.outcome === 'created')).toHaveLength(3);
});
