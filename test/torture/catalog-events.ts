import { cp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Site } from './site.ts';
import { type Kind, underLoad } from './trial.ts';

/** How long a server runs with a wrong catalog, in milliseconds: several rounds of collection, with a sweep. */
const wrongTime = 5000;

const files = ['catalog.db', 'catalog.db-wal', 'catalog.db-shm'];

/** The catalog is gone when the server starts; it runs for some time with an empty one, until the right one is back. */
export const catalogLost: Kind = {
  event: async (site, random) => {
    await site.configure({ gracePeriod: '1h' });
    await underLoad(site, random, () => site.kill());
    await site.commandsEnded();
    const before = await blobsOf(site);
    const kept = join(site.directory, 'kept-catalog');
    await copyCatalog(site.dataDir, kept);
    await removeCatalog(site.dataDir);
    await runWrongly(site, before);
    await removeCatalog(site.dataDir);
    await copyCatalog(kept, site.dataDir);
  },
};

/** A server starts with a catalog that is older than the store, and has to keep it. */
export const catalogOlder: Kind = {
  event: async (site, random) => {
    await site.stop();
    const backup = join(site.directory, 'backup-catalog');
    await copyCatalog(site.dataDir, backup);
    const then = site.ledger.copy();
    // As the docs demand of a backup: nothing that it names is removed before it is restored.
    await site.configure({ gracePeriod: '1h' });
    await site.start();
    await underLoad(site, random, () => site.kill());
    await site.commandsEnded();
    const before = await blobsOf(site);
    await removeCatalog(site.dataDir);
    await copyCatalog(backup, site.dataDir);
    site.ledger.goBackTo(then);
    await runWrongly(site, before);
    const { code, stderr } = await site.command(['storage', 'adopt', '--yes']).ended;
    if (code !== 0) throw new Error(`the store was not adopted: ${stderr}`);
  },
};

/** Runs a server that would remove what it does not know. @throws Error when a blob is lost */
async function runWrongly(site: Site, before: readonly string[]): Promise<void> {
  await site.configure({ gracePeriod: '1s' });
  await site.start();
  await sleep(wrongTime);
  await site.kill();
  const after = new Set(await blobsOf(site));
  const lost = before.filter((digest) => !after.has(digest));
  if (lost.length > 0) throw new Error(`a wrong catalog has cost ${lost.length} of ${before.length} blobs`);
}

/** The digests of all blobs in the store, also of those set aside. */
export async function blobsOf(site: Site): Promise<string[]> {
  const all: string[] = [];
  for (const name of ['blobs', 'aside']) {
    const entries = await readdir(join(site.dataDir, name), { recursive: true, withFileTypes: true }).catch(
      () => [],
    );
    all.push(...entries.filter((entry) => entry.isFile()).map((entry) => entry.name));
  }
  return all;
}

async function copyCatalog(from: string, to: string): Promise<void> {
  await rm(join(to, 'catalog.db-wal'), { force: true });
  for (const name of await readdir(from)) {
    if (files.includes(name)) await cp(join(from, name), join(to, name));
  }
}

async function removeCatalog(directory: string): Promise<void> {
  for (const name of files) await rm(join(directory, name), { force: true });
}
