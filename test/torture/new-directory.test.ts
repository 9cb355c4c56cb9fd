import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { headwater } from '../cli/command-line.ts';
import { scratchDirectory } from '../support/catalog.ts';
import { compilerIsMissing } from './kinds.ts';
import { PowerFailure } from './power-failure.ts';
import { Random } from './random.ts';

test.skipIf(compilerIsMissing())(
  'a data directory that was just made, below others, outlives a power failure with what is in it',
  async () => {
    const scratch = await scratchDirectory();
    const root = join(scratch, 'disk');
    await mkdir(root);
    const failure = await PowerFailure.watch(root, scratch);
    const data = join(root, 'srv/headwater/data');
    const made = await headwater(['token', 'create', 'one', '--data-dir', data], { env: failure.env });
    expect(made.code, made.stderr).toBe(0);
    // Nothing that was not synced survives with this seed.
    await failure.restore({ durability: 'strict', random: new Random(0) });
    expect(await readdir(root)).toEqual(['srv']);
    const { stdout } = await headwater(['token', 'list', '--data-dir', data]);
    expect(stdout).toContain('one');
  },
);
