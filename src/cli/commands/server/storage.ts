import type { Command } from 'commander';
import { HeadwaterError } from '../../../errors.ts';
import type { StoreReport } from '../../../ops/store-report.ts';
import { localConfig } from '../../backend/open-backend.ts';
import { withStorage } from '../../backend/open-storage.ts';
import { targetOf, wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import type { Output } from '../../view/output.ts';
import { storageText } from '../../view/storage-report.ts';

export function addStorageCommand(program: Command, output: Output): void {
  const storage = program
    .command('storage')
    .summary('show and repair the blob store')
    .description('Show who owns the blob store and what is set aside, adopt it, and bring blobs back.');
  addStatus(storage, output);
  addAdopt(storage, output);
  addSweep(storage, output);
  addRestore(storage, output);
}

function addStatus(storage: Command, output: Output): void {
  const command = storage
    .command('status')
    .summary('show which catalog owns the store and what is set aside')
    .description(
      'Show which catalog owns the blob store, whether anything keeps Headwater from removing blobs, and what is set aside. With --server, as the server reports it; the token must allow admin. Exit code 5 when something keeps Headwater from removing blobs or a sweep has stopped.',
    )
    .action(async () => {
      const report = await reportOf(command);
      if (wantsJson(command)) output.json(report);
      else output.line(storageText(report));
      if (report.problem !== null) throw new HeadwaterError('conflict', report.problem);
      if (report.stoppedSweep !== null) {
        const { unknown, blobs } = report.stoppedSweep;
        throw new HeadwaterError(
          'conflict',
          `the last sweep stopped: the catalog does not know ${unknown} of ${blobs} blobs. Restore the right catalog, or run "headwater storage sweep" to set them aside`,
        );
      }
    });
  addExamples(command, [
    'headwater storage status',
    'headwater storage status --json',
    'headwater storage status --server https://images.example.com:8443',
  ]);
}

/** The report of a data directory, or of a server. */
async function reportOf(command: Command): Promise<StoreReport> {
  const target = targetOf(command);
  if (target.kind === 'remote') {
    const { ApiClient } = await import('../../backend/api-client.ts');
    const client = await ApiClient.open(target);
    try {
      return await client.json<StoreReport>({ method: 'GET', path: 'storage' });
    } finally {
      await client.close();
    }
  }
  return await localReport(command);
}

async function localReport(command: Command): Promise<StoreReport> {
  const { config } = await localConfig(command, []);
  const { storeReport } = await import('../../../ops/store-report.ts');
  return await withStorage(config, async (parts) => await storeReport(parts));
}

function addAdopt(storage: Command, output: Output): void {
  const command = storage
    .command('adopt')
    .summary('make this catalog the owner of the store')
    .description(
      'Make the catalog of the data directory the owner of the blob store: after a backup of the catalog was restored, or when the catalog was lost for good. Blobs that were set aside and that the catalog names come back. Blobs that it does not know are set aside by a later sweep, and removed after collection.keepUnknown. A running server takes notice within a minute.',
    )
    .option('--yes', 'do it; without, only show what would change')
    .action(async (options: { yes?: boolean }) => {
      const { config } = await localConfig(command, []);
      await withStorage(config, async ({ catalog, store }) => {
        if (options.yes !== true) {
          const { storeReport } = await import('../../../ops/store-report.ts');
          output.note(storageText(await storeReport({ catalog, store })));
          throw needsYes('adopt', 'the catalog would become the owner of the store');
        }
        const { adoptStore } = await import('../../../ops/store-owner.ts');
        const { tidyAside } = await import('../../../ops/set-aside.ts');
        const record = await adoptStore(catalog, store);
        const { returned } = await tidyAside(catalog, store);
        if (wantsJson(command)) output.json({ ...record, returned });
        else output.line(`catalog ${record.catalog} owns the store now; ${returned} blobs brought back`);
      });
    });
  addExamples(command, ['headwater storage adopt', 'headwater storage adopt --yes']);
}

function addSweep(storage: Command, output: Output): void {
  const command = storage
    .command('sweep')
    .summary('set aside every blob that the catalog does not know')
    .description(
      'Set aside every blob that the catalog does not know and that is older than gracePeriod, however many there are. The server does this once a day, and stops when they are more than collection.share of the store. "headwater storage restore" brings them back until they are removed, after collection.keepUnknown.',
    )
    .option('--yes', 'do it; without, only show what would change')
    .action(async (options: { yes?: boolean }) => {
      const { config } = await localConfig(command, []);
      await withStorage(config, async ({ catalog, store }) => {
        const { sweep } = await import('../../../ops/garbage-collection.ts');
        const { confirmOwnership } = await import('../../../ops/store-owner.ts');
        const ownership = await confirmOwnership(catalog, store);
        if (!ownership.owned) throw new HeadwaterError('conflict', ownership.message);
        if (options.yes !== true) {
          const { storeReport } = await import('../../../ops/store-report.ts');
          output.note(storageText(await storeReport({ catalog, store })));
          throw needsYes('sweep', 'blobs that the catalog does not know would be set aside');
        }
        const before = new Date(Date.now() - config.gracePeriod);
        const blobs = await sweep(catalog, store, { before, share: 100 });
        if (wantsJson(command)) output.json({ setAside: blobs });
        else output.line(`${blobs} blobs set aside`);
      });
    });
  addExamples(command, ['headwater storage sweep', 'headwater storage sweep --yes --json']);
}

function addRestore(storage: Command, output: Output): void {
  const command = storage
    .command('restore')
    .summary('bring back blobs that were set aside')
    .description(
      'Bring back blobs that were set aside, by their digests (SHA-256) or all of them. Blobs that the catalog names come back by themselves; one that it does not know is set aside again by a later sweep.',
    )
    .argument('[digest...]', 'the blobs')
    .option('--all', 'every blob that is set aside')
    .action(async (digests: string[], options: { all?: boolean }) => {
      if ((digests.length === 0) === (options.all !== true)) {
        throw new HeadwaterError('usage', 'name the blobs by their digests, or give --all');
      }
      const { config } = await localConfig(command, []);
      await withStorage(config, async ({ store }) => {
        const { parseDigest } = await import('../../../model/digest.ts');
        const wanted = digests.map(parseDigest);
        if (options.all === true) for await (const { digest } of store.aside()) wanted.push(digest);
        let blobs = 0;
        for (const digest of wanted) {
          if (await store.bringBack(digest)) blobs++;
          else if (options.all !== true) {
            throw new HeadwaterError('not-found', `blob sha256:${digest} is not set aside`);
          }
        }
        if (wantsJson(command)) output.json({ restored: blobs });
        else output.line(`${blobs} blobs brought back`);
      });
    });
  addExamples(command, [
    'headwater storage restore --all',
    'headwater storage restore 3f1c0a9be2d4e5f60718293a4b5c6d7e8f901a2b3c4d5e6f708192a3b4c5d6e7',
  ]);
}

function needsYes(name: string, what: string): HeadwaterError {
  return new HeadwaterError('usage', `${what}: run "headwater storage ${name} --yes" to do it`);
}
