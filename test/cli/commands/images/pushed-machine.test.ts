import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Catalog } from '../../../../src/catalog/catalog.ts';
import type { VersionView } from '../../../../src/cli/view/version-view.ts';
import { pushDraft, scratchDirectory, sha256, stored, testActor } from '../../../support/catalog.ts';
import { headwater } from '../../command-line.ts';

test('a virtual machine that was pushed as one tarball is listed and shown as one', async () => {
  const directory = await scratchDirectory();
  const catalog = (await Catalog.open(join(directory, 'catalog.db'))).by(testActor);
  const digest = sha256('machine');
  const file = 'combined_disk.tar.gz';
  await catalog.pushed.push(
    pushDraft('machine', {
      fingerprint: digest,
      items: [{ file, type: 'combined-disk', digest, size: 5000, fingerprint: digest }],
      aliases: [{ name: 'machine' }],
    }),
    { quotas: {}, assertStored: stored },
  );
  await catalog.close();
  const run = async (...args: string[]) => await headwater([...args, '--data-dir', directory]);

  const machine = { type: 'virtual-machine', file, fingerprint: digest, size: 5000 };
  for (const command of [['list'], ['show', 'machine']]) {
    const { stdout } = await run(...command, '--json');
    expect(JSON.parse(stdout) as VersionView[]).toMatchObject([{ images: [machine] }]);
  }
  expect((await run('list', 'type=virtual-machine')).stdout).toContain(` virtual-machine  ${file} `);
  expect((await run('show', 'machine')).stdout).toContain(`virtual-machine, 4.9 KiB, from ${file}`);
  expect((await run('list', 'type=container')).stdout).toBe('');
});
