import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { describeSkipped } from './skipped.ts';

/**
 * Once for a run of the tests. Ceph, should a test file start it, ends with this process. At the end people are told what
 * was skipped.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-tests-'));
  project.provide('sharedCeph', { directory, owner: process.pid });
  const skippedTests = join(directory, 'skipped-tests');
  await writeFile(skippedTests, '');
  project.provide('skippedTests', skippedTests);
  return async () => {
    const skipped = describeSkipped(await readFile(skippedTests, 'utf8'));
    if (skipped !== '') console.warn(`\n${skipped}\n`);
    await rm(directory, { recursive: true, force: true });
  };
}
