import { defineConfig } from 'vitest/config';
import { trials } from './test/trials.config.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/e2e/**', ...trials],
    globalSetup: ['test/support/global-setup.ts'],
    // Far more than they need where nothing else runs: a slow machine is no failure.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
    pool: 'forks',
    // Much of the time goes by in waiting: for retries, for processes, for a store.
    maxWorkers: 4,
  },
});
