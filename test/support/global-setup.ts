import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

/** Once for a run of the tests. Ceph, should a test file start it, ends with this process. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-tests-'));
  project.provide('sharedCeph', { directory, owner: process.pid });
  return async () => {
    await rm(directory, { recursive: true, force: true });
  };
}
