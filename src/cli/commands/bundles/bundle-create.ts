import type { Command } from 'commander';
import type { BundleServices, CreatedBundle } from '../../../bundle/create/create.ts';
import type { BundleReport } from '../../../bundle/verify/verify.ts';
import type { WrittenBundle } from '../../../catalog/bundles/bundles.ts';
import { HeadwaterError } from '../../../errors.ts';
import { defined } from '../../../model/defined.ts';
import { localConfig } from '../../backend/open-backend.ts';
import { withStorage } from '../../backend/open-storage.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples, collect } from '../../help.ts';
import type { Output } from '../../view/output.ts';
import { withProgress } from './bundle-progress.ts';
import { assertForStream, type CreateOptions, standardStream } from './create-options.ts';
import { createdText, dryRunText, sizesOf, summaryOf } from './create-report.ts';
import { writeToStandardOutput } from './create-stream.ts';

export function addCreate(bundle: Command, output: Output): void {
  const command = bundle
    .command('create')
    .summary('write what a site lacks')
    .description(
      'Write the versions that a site needs as a signed bundle: a new directory below OUTPUT, or one tar stream on standard output with "-". Files in earlier bundles for the site are left out. If the command is interrupted, the same command continues at the volume where it stopped. At the end it reads back what it wrote. It needs a signing key: see "headwater key create".',
    )
    .argument('[output]', 'the directory on the medium, or - for standard output; not needed with --dry-run')
    .requiredOption('--to <site>', 'the name of the site that receives the bundle')
    .option('--stream <stream>', 'only this stream (repeatable; default: all public streams)', collect)
    .option(
      '--select <filter>',
      'only versions that match this filter of "headwater list" (repeatable)',
      collect,
    )
    .option(
      '--since <base>',
      'what the site has: "acknowledged", "sent", "nothing", or the number of a bundle (default: acknowledged if a receipt was taken, else sent)',
    )
    .option('--receipt <file>', 'take this receipt of the site first, see "headwater bundle acknowledge"')
    .option('--keyring <file>', 'with --receipt: public keys of the site, binary or armored')
    .option('--again <number>', 'write this bundle once more, byte by byte')
    .option('--volume <number>', 'with --again: only this volume (repeatable)', collect)
    .option(
      '--volume-size <size>',
      'the size of a volume: fat32, dvd, bd, or a size such as 2GiB (default: fat32)',
    )
    .option('--label <text>', 'a note for people')
    .option('--dry-run', 'show the size of each volume, and write nothing')
    .option('--no-read-back', 'do not read back what was written')
    .action(async (target: string | undefined, options: CreateOptions) => {
      if (target === undefined && options.dryRun !== true) {
        throw new HeadwaterError(
          'usage',
          'missing OUTPUT: name the directory on the medium, or use --dry-run',
        );
      }
      if (target === standardStream) assertForStream(options, { json: wantsJson(command) });
      const { config } = await localConfig(command, []);
      const { openSigning, planned, toWrite, volumesOf } = await import('./create-request.ts');
      const sign = await openSigning(config);
      await withStorage(config, async ({ catalog, store }) => {
        if (target === undefined || options.dryRun === true) {
          const manifest = await planned(catalog, config, options, target);
          const sizes = await sizesOf(manifest, sign);
          if (wantsJson(command)) output.json({ ...summaryOf(manifest), sizes });
          else output.line(dryRunText(manifest, sizes));
          return;
        }
        const services = { catalog, store, sign };
        const bundle = await toWrite(services, config, options, target);
        if (target === standardStream) {
          output.note(await writeToStandardOutput(bundle, services));
          return;
        }
        const created = await write(bundle, target, services, {
          readBack: options.readBack,
          ...defined({ volumes: volumesOf(options, bundle) }),
        });
        if (wantsJson(command)) output.json({ ...summaryOf(created.manifest), directory: created.directory });
        else output.line(createdText(created));
      });
    });
  addExamples(command, [
    'headwater bundle create --to vault-7 --dry-run',
    'headwater bundle create --to vault-7 /media/stick',
    'headwater bundle create --to vault-7 --select os=debian --volume-size dvd /srv/out',
    'headwater bundle create --to vault-7 --again 7 --volume 3 /media/stick',
    'headwater bundle create --to vault-7 - | diode-send',
  ]);
}

/** Writes a bundle, reads it back, and records in the ledger that it is whole. */
async function write(
  bundle: WrittenBundle,
  target: string,
  services: BundleServices,
  options: { readBack: boolean; volumes?: readonly number[] },
): Promise<CreatedBundle> {
  const { writeBundle } = await import('../../../bundle/create/create.ts');
  const { isWhole, verifyDirectory } = await import('../../../bundle/verify/verify.ts');
  const { volumes } = options;
  const created = await withProgress(
    'writing',
    async (onBytes, onSize) =>
      await writeBundle(bundle, target, services, { onBytes, onSize, ...defined({ volumes }) }),
  );
  if (options.readBack) {
    const report = await withProgress(
      'reading back',
      async (onBytes, onSize) =>
        await verifyDirectory(created.directory, async () => undefined, {
          onBytes,
          onSize,
          ...defined({ volumes }),
        }),
    );
    if (!isWhole(report, volumes)) {
      throw new HeadwaterError(
        'unavailable',
        `${created.directory}: the medium returned other bytes than were written: ${firstProblem(report)}. Use another medium`,
      );
    }
  }
  // Some volumes of a bundle that was never finished do not make it whole.
  if (volumes === undefined) await services.catalog.bundles.finish(bundle.to, bundle.sequence);
  return created;
}

function firstProblem({ problems, volumes }: BundleReport): string {
  const [volume] = volumes;
  return (
    problems[0] ?? (volume === undefined ? 'a file is damaged' : `${volume.name}: ${volume.problems[0]}`)
  );
}
