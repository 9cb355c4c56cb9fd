import { defineConfig } from 'vitest/config';

/**
 * Tests that take minutes, or need a real S3 service: short forms of long trials, long forms of unit tests (`.trial`), and
 * everything against Ceph.
 */
export const trials = [
  'test/torture/**/*.test.ts',
  'test/fuzz/**/*.test.ts',
  'test/**/*.trial.test.ts',
  'test/**/*.ceph.test.ts',
];

export default defineConfig({
  test: {
    include: trials,
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 20_000 } },
    pool: 'forks',
    maxWorkers: 4,
  },
});
