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
    .description(
      'Show the owner of the blob store and the blobs that are set aside, adopt the store, and restore blobs.',
    );
  addStatus(storage, output);
  addAdopt(storage, output);
  addSweep(storage, output);
  addRestore(storage, output);
}

function addStatus(storage: Command, output: Output): void {
  const command = storage
    .command('status')
    .summary('show the owner of the store and the blobs that are set aside')
    .description(
      'Show which catalog owns the blob store, why Headwater removes no blobs (if so), and which blobs are set aside. With --server, the server reports it; the token must allow admin. Also show the last scrub of the store, and how many blobs are damaged or missing. The exit code is 5 if something keeps Headwater from removing blobs, or if a sweep has stopped, and 3 if blobs are damaged or missing.',
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
      const { blobs } = report.scrub.lost;
      if (blobs > 0) {
        throw new HeadwaterError(
          'invalid',
          `${blobs} blobs are damaged or missing: "headwater verify" names them and the next step`,
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
    const { storageAnswer } = await import('../../../http/api/openapi/admin-answers.ts');
    return await ApiClient.with(
      target,
      async (client) => await client.json({ method: 'GET', path: 'storage' }, storageAnswer),
    );
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
      'Make the catalog of the data directory the owner of the blob store, after the catalog was restored from a backup or lost. Blobs that were set aside and that the catalog names come back. A later sweep sets aside blobs that the catalog does not know; they are deleted after collection.keepUnknown. A running server notices the new owner within a minute.',
    )
    .option('--yes', 'apply the change; without it, only show it')
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
        else output.line(`catalog ${record.catalog} now owns the store; ${returned} blobs restored`);
      });
    });
  addExamples(command, ['headwater storage adopt', 'headwater storage adopt --yes']);
}

function addSweep(storage: Command, output: Output): void {
  const command = storage
    .command('sweep')
    .summary('set aside every blob that the catalog does not know')
    .description(
      'Set aside every blob that the catalog does not know and that is older than gracePeriod, without a limit. The server does this once a day, but stops if it would set aside more than collection.share of the store. "headwater storage restore" restores these blobs until they are deleted, after collection.keepUnknown.',
    )
    .option('--yes', 'apply the change; without it, only show it')
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
    .summary('restore blobs that were set aside')
    .description(
      'Restore blobs that were set aside: those with the given digests (SHA-256), or all. Blobs that the catalog names are restored automatically; a later sweep sets aside again the restored blobs that the catalog does not know.',
    )
    .argument('[digest...]', 'SHA-256 of a blob')
    .option('--all', 'all blobs that are set aside')
    .action(async (digests: string[], options: { all?: boolean }) => {
      if ((digests.length === 0) === (options.all !== true)) {
        throw new HeadwaterError('usage', 'missing digests: name the blobs by their SHA-256, or use --all');
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
            throw new HeadwaterError('not-found', `blob sha256:${digest} is not set aside, or is damaged`);
          }
        }
        if (wantsJson(command)) output.json({ restored: blobs });
        else output.line(`${blobs} blobs restored`);
      });
    });
  addExamples(command, [
    'headwater storage restore --all',
    'headwater storage restore 3f1c0a9be2d4e5f60718293a4b5c6d7e8f901a2b3c4d5e6f708192a3b4c5d6e7',
  ]);
}

function needsYes(name: string, effect: string): HeadwaterError {
  return new HeadwaterError('usage', `${effect}: run "headwater storage ${name} --yes" to do it`);
}
