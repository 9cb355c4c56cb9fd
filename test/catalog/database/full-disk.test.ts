import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { HeadwaterError } from '../../../src/errors.ts';
import { openCatalog } from '../../support/catalog.ts';
import { mountMemory } from '../../support/mount.ts';
import { rootIsMissing } from '../../support/needs.ts';

test.skipIf(rootIsMissing())('a change on a full disk says so, and is made once there is space', async () => {
  const disk = await mountMemory('2m');
  onTestFinished(() => disk.unmount());
  const catalog = await openCatalog(join(disk.path, 'catalog.db'));
  const filler = join(disk.path, 'filler');
  await expect(writeFile(filler, Buffer.alloc(4 * 1024 * 1024))).rejects.toMatchObject({ code: 'ENOSPC' });
  const content = JSON.stringify('x'.repeat(100_000));
  const record = (digest: string) => catalog.blobs.record([{ digest, size: 1, content }]);
  const full = { kind: 'no-space', message: expect.stringContaining('is full') };
  await expect(record('alone')).rejects.toBeInstanceOf(HeadwaterError);
  await expect(record('alone')).rejects.toMatchObject(full);
  const together = await Promise.allSettled(['one', 'two', 'three'].map(record));
  for (const outcome of together) expect(outcome).toMatchObject({ status: 'rejected', reason: full });
  expect(await catalog.blobs.digests()).toEqual(new Set());
  await writeFile(filler, '');
  await record('alone');
  expect(await catalog.blobs.digests()).toEqual(new Set(['alone']));
});
