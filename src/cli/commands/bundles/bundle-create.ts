import type { Command } from 'commander';
import { HeadwaterError } from '../../../errors.ts';
import { defined } from '../../../model/defined.ts';
import { localConfig } from '../../backend/open-backend.ts';
import { withStorage } from '../../backend/open-storage.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples, collect } from '../../help.ts';
import type { Output } from '../../view/output.ts';
import { assertForStream, type CreateOptions, standardStream } from './create-options.ts';
import { createdText, dryRunText, omissionLines, omissionsOf, sizesOf, summaryOf } from './create-report.ts';
import { writeToStandardOutput } from './create-stream.ts';
import { writeToDirectory } from './create-volumes.ts';
import { withFetch } from './fetch-listed.ts';

export function addCreate(bundle: Command, output: Output): void {
  const command = bundle
    .command('create')
    .summary('write what a site lacks')
    .description(
      'Write the versions that a site needs as a signed bundle: a new directory below OUTPUT, or one tar stream on standard output with "-". Files in earlier bundles for the site are left out. If the command is interrupted, the same command continues at the volume where it stopped. At the end it reads back what it wrote. It needs a signing key: see "headwater key create". The file SITE.yaml in the directory "bundles" (bundleDir) can hold the selection and sizes for a site; options override it.',
    )
    .argument('[output]', 'the directory on the medium, or - for standard output; not needed with --dry-run')
    .requiredOption('--to <site>', 'the name of the site that receives the bundle')
    .option('--stream <stream>', 'only this stream (repeatable; default: all public streams)', collect)
    .option(
      '--select <filter>',
      'only versions that match this filter of "headwater list" (repeatable)',
      collect,
    )
    .option('--mirror <name>', 'only products of this mirror (repeatable)', collect)
    .option(
      '--since <base>',
      'what the site has: "acknowledged", "sent", "nothing", or the number of a bundle (default: acknowledged if a receipt was taken, else sent)',
    )
    .option('--receipt <file>', 'take this receipt of the site first, see "headwater bundle acknowledge"')
    .option(
      '--keyring <file>',
      'with --receipt: public keys of the site (default: receiptKeyring in the definition of the site)',
    )
    .option('--again <number>', 'write this bundle once more, byte by byte')
    .option('--volume <number>', 'with --again: only this volume (repeatable)', collect)
    .option(
      '--volume-size <size>',
      'the size of a volume: fat32, dvd, bd, or a size such as 2GiB (default: fat32)',
    )
    .option(
      '--max-size <size>',
      'the size of the whole bundle, such as 60GiB: the newest versions that fit; the next bundle contains the others',
    )
    .option('--fetch', 'first download files that mirrors list on demand')
    .option('--with-headwater <file>', 'put this package of Headwater beside the volumes')
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
      const { planned, programOf, toWrite, volumesOf } = await import('./create-request.ts');
      const { openSigning } = await import('../../backend/open-signing.ts');
      const program = await programOf(options);
      const sign = await openSigning(config);
      await withStorage(config, async (parts) => {
        const { catalog } = parts;
        if (target === undefined || options.dryRun === true) {
          const next = await planned(parts, config, options, target);
          const sizes = await sizesOf(next.manifest, sign);
          if (wantsJson(command)) output.json({ ...summaryOf(next.manifest), ...omissionsOf(next), sizes });
          else output.line(dryRunText(next, sizes));
          return;
        }
        await withFetch(config, parts, options.fetch === true, async (fetch, store) => {
          const services = { catalog, store, sign };
          const { bundle, next } = await toWrite(services, { config, options, target }, fetch);
          if (target === standardStream) {
            output.note([await writeToStandardOutput(bundle, services), ...omissionLines(next)].join('\n'));
            return;
          }
          const created = await writeToDirectory(bundle, target, services, {
            readBack: options.readBack,
            ...defined({ volumes: volumesOf(options, bundle), program }),
          });
          if (wantsJson(command)) {
            output.json({
              ...summaryOf(created.manifest),
              ...{ directory: created.directory, leftOut: omissionsOf(next).leftOut },
            });
          } else output.line([createdText(created), ...omissionLines(next)].join('\n'));
        });
      });
    });
  addExamples(command, [
    'headwater bundle create --to vault-7 --dry-run',
    'headwater bundle create --to vault-7 /media/stick',
    'headwater bundle create --to vault-7 --select os=debian --volume-size dvd /srv/out',
    'headwater bundle create --to vault-7 --mirror ubuntu --fetch --max-size 60GiB /media/stick',
    'headwater bundle create --to vault-7 --again 7 --volume 3 /media/stick',
    'headwater bundle create --to vault-7 - | diode-send',
  ]);
}
