import type { Command } from 'commander';
import type { BundleServices, CreatedBundle } from '../../../bundle/create/create.ts';
import type { Manifest } from '../../../bundle/format/manifest-schema.ts';
import type { BundleReport } from '../../../bundle/verify/verify.ts';
import type { WrittenBundle } from '../../../catalog/bundles/bundles.ts';
import { HeadwaterError } from '../../../errors.ts';
import { defined } from '../../../model/defined.ts';
import { localConfig } from '../../backend/open-backend.ts';
import { withStorage } from '../../backend/open-storage.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples, collect } from '../../help.ts';
import { humanSize } from '../../view/human.ts';
import type { Output } from '../../view/output.ts';
import { withProgress } from './bundle-progress.ts';
import type { CreateOptions } from './create-request.ts';

export function addCreate(bundle: Command, output: Output): void {
  const command = bundle
    .command('create')
    .summary('write what a site lacks')
    .description(
      'Write the versions that a site needs as a signed bundle: a new directory below OUTPUT. Files in earlier bundles for the site are left out. If the command is interrupted, the same command continues at the volume where it stopped. At the end it reads back what it wrote. It needs a signing key: see "headwater key create".',
    )
    .argument('[output]', 'the directory on the medium; not needed with --dry-run')
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
    .option('--volume-size <size>', 'the size of a volume: fat32, dvd, bd, or a size such as 2GiB', 'fat32')
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
      const { config } = await localConfig(command, []);
      const { openSigning, planned, toWrite, volumesOf } = await import('./create-request.ts');
      const sign = await openSigning(config);
      await withStorage(config, async ({ catalog, store }) => {
        if (target === undefined || options.dryRun === true) {
          const manifest = await planned(catalog, config, options);
          const sizes = await sizesOf(manifest, sign);
          if (wantsJson(command)) output.json({ ...summaryOf(manifest), sizes });
          else output.line(dryRunText(manifest, sizes));
          return;
        }
        const services = { catalog, store, sign };
        const bundle = await toWrite(services, config, options);
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

/** The bytes of each volume. */
async function sizesOf(manifest: Manifest, sign: BundleServices['sign']): Promise<number[]> {
  const { sizeOfVolumes } = await import('../../../bundle/format/content.ts');
  const { renderManifest } = await import('../../../bundle/format/manifest.ts');
  const { packManifest } = await import('../../../bundle/format/volume-bytes.ts');
  const bytes = renderManifest(manifest);
  return sizeOfVolumes(manifest, {
    manifest: packManifest(bytes),
    signature: Buffer.from(await sign(bytes)),
  });
}

function summaryOf({ site, to, sequence, volumes, versions, carried, assumed }: Manifest) {
  return {
    ...{ site, to, sequence, volumes: volumes.count, versions: versions.length },
    ...{ carried: carried.length, bytes: volumes.bytes, assumed: assumed.length },
  };
}

function dryRunText(manifest: Manifest, sizes: readonly number[]): string {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const lines = sizes.map((size, index) => `volume ${index + 1}: ${size} bytes`);
  return [...lines, `${humanSize(total)} in ${counted(sizes.length, 'volume')}; ${contentOf(manifest)}`].join(
    '\n',
  );
}

function createdText({ directory, manifest, reused }: CreatedBundle): string {
  const continued = reused > 0 ? ` (${counted(reused, 'volume')} had been written before)` : '';
  return `${directory}: ${counted(manifest.volumes.count, 'volume')}${continued}; ${contentOf(manifest)}`;
}

function contentOf({ versions, carried, assumed, volumes }: Manifest): string {
  return `${counted(versions.length, 'version')}; ${counted(carried.length, 'file')} of ${humanSize(volumes.bytes)} carried, ${assumed.length} sent before`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
