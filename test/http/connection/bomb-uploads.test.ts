import { test } from 'vitest';
import { expectBombsRefused } from './bomb-crowd.ts';

test('eight archives that unpack to gigabytes, sent at once, are refused while others are served', async () => {
  // With the limits as they are by default: as many places as bombs, and 512 MiB for all of them.
  await expectBombsRefused([], { large: 2, bound: 512 });
}, 60_000);
