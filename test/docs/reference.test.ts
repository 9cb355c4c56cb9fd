import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { referenceFiles } from '../../build/reference.ts';

test.each(Object.entries(referenceFiles()))('%s is what the commands say (npm run docs)', (path, text) => {
  expect(readFileSync(path, 'utf8')).toBe(text);
});
