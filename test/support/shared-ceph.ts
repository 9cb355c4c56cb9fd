import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, inject } from 'vitest';
import { codeOf, messageOf } from '../../src/errors.ts';
import { type S3Service, startCeph } from './ceph.ts';
import { lacks } from './needs.ts';

// One Ceph for all test files of a run, started by the first file that needs it (see global-setup.ts).

declare module 'vitest' {
  interface ProvidedContext {
    /** A directory in which test files agree on a Ceph, and the process it must not outlive. */
    sharedCeph: { directory: string; owner: number };
  }
}

/** What the test file that started Ceph left for the others. */
type Outcome = { service: S3Service } | { failure: string };

/**
 * Tests that need a real S3 service. Where Ceph is not installed they are skipped, or fail when REQUIRE_ALL_TESTS
 * is 1.
 */
export function describeWithCeph(name: string, body: (service: () => S3Service) => void): void {
  describe.skipIf(lacks('radosgw', 'radosgw-admin', 'ceph', 'ceph-mon', 'ceph-osd'))(name, () => {
    let service: S3Service | undefined;
    beforeAll(async () => {
      service = await sharedCeph();
    }, 180_000);
    body(() => {
      if (service === undefined) throw new Error('Ceph is there only while tests run');
      return service;
    });
  });
}

async function sharedCeph(): Promise<S3Service> {
  const { directory, owner } = inject('sharedCeph');
  const path = join(directory, 'outcome.json');
  const first = await mkdir(join(directory, 'lock')).then(
    () => true,
    (error: unknown) => {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    },
  );
  if (first) {
    const outcome: Outcome = await startCeph({ owner }).then(
      (service) => ({ service }),
      (error: unknown) => ({ failure: messageOf(error) }),
    );
    await writeFile(`${path}.new`, JSON.stringify(outcome));
    await rename(`${path}.new`, path);
  }
  let text: string | undefined;
  while (text === undefined) {
    text = await readFile(path, 'utf8').catch(() => undefined);
    if (text === undefined) await sleep(200);
  }
  const outcome = JSON.parse(text) as Outcome;
  if ('failure' in outcome) throw new Error(outcome.failure);
  return outcome.service;
}
