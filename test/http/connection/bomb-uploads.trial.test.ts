import { test } from 'vitest';
import { expectBombsRefused } from './bomb-crowd.ts';

test('a smaller limit on the memory of examinations bounds that of the process', async () => {
  await expectBombsRefused(['limits.examinationMemory=256MiB'], { large: 8, bound: 256 });
}, 120_000);
