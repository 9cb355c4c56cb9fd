import { defineConfig } from 'vitest/config';
import { trials } from './test/trials.config.ts';

/**
 * Test files that need a process of their own. All others share a few processes, each of which loads a module once, so a
 * test gives back what it changes in its process: the clock, the environment, spies.
 */
const alone = [
  // These replace modules.
  'test/mirror/on-demand/image-rules.test.ts',
  'test/ops/{damage-while-running,read-only}.test.ts',
  // These look at the memory, the timers or the children of the process.
  'test/blobs/directory/directory-store.test.ts',
  'test/blobs/s3/s3-store.test.ts',
  'test/files/chunk-pool.test.ts',
  'test/http/registry/{events,hostile,hostile-uploads}.test.ts',
  'test/image/compression/compression.test.ts',
  'test/publish/intake/ring-memory.test.ts',
  'test/publish/unpacking/liblzma.test.ts',
  'test/server/failed-start.test.ts',
];

const all = ['test/**/*.test.ts'];
const elsewhere = ['test/e2e/**', ...trials];
const settings = {
  // Far more than tests need where nothing else runs: a slow machine is no failure.
  testTimeout: 120_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 20_000 } },
  pool: 'forks' as const,
};

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    // Much of the time goes by in waiting: for retries, for processes, for a store.
    maxWorkers: 4,
    projects: [
      { test: { ...settings, name: 'alone', include: alone, exclude: elsewhere } },
      {
        test: {
          ...settings,
          name: 'shared',
          include: all,
          exclude: [...elsewhere, ...alone],
          isolate: false,
        },
      },
    ],
  },
});
