import type { Command } from 'commander';
import type { BundleSource } from '../../../bundle/import/bundle-source.ts';
import type { SiteMirror } from '../../../config/sites/site-mirror-schema.ts';
import type { ImportOptions } from '../../../mirror/site/import.ts';
import { defined } from '../../../model/defined.ts';
import { commandLineActor } from '../../backend/command-line-actor.ts';
import { withMirrorServices } from '../../backend/open-mirrors.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import { interruption, stopOnSignals } from '../../interruption.ts';
import type { Output } from '../../view/output.ts';
import { type OpenedSite, openSite } from './receive/open-site.ts';

interface ImportFlags {
  force?: boolean;
}

export function addPlan(bundle: Command, output: Output): void {
  const command = bundle
    .command('plan')
    .summary('show what an import would do')
    .description(
      'Read the manifest of a bundle and check its signature, and show what an import would add and retire, how many bytes it needs, and how many are free. Changes nothing.',
    )
    .argument('<name>', 'the mirror whose definition names the site that wrote the bundle')
    .argument('<directory>', 'the directory of the bundle')
    .option('--force', 'accept a bundle of another chain, and ignore maxShrink')
    .action(async (name: string, path: string, { force = false }: ImportFlags) => {
      const configured = await openSite(command, name);
      const { prepareImport } = await import('../../../mirror/site/preparation.ts');
      const { storeSpace } = await import('../../../server/store-space.ts');
      const { planJson, planText } = await import('./import-report.ts');
      const { config, definition } = configured;
      const source = await openSource(definition, path, output);
      await withMirrorServices(config, async (services) => {
        const options = { force, ...defined({ ownSite: config.site }) };
        const prepared = await prepareImport(definition, source.bundle, services, options);
        const free = await storeSpace(config);
        if (wantsJson(command)) output.json(planJson(definition, source.bundle, prepared, free));
        else output.line(planText(definition, source.bundle, prepared, free));
        for (const warning of prepared.offer.warnings) output.warning(warning);
      });
    });
  addExamples(command, ['headwater bundle plan hq /media/stick/vault-7-0007']);
}

export function addImport(bundle: Command, output: Output): void {
  const command = bundle
    .command('import')
    .summary('publish what a bundle contains')
    .description(
      'Store and publish the images of a bundle; "-" reads a stream from standard input. Bundles may come in any order: a version is published as soon as all its files are stored. The command continues after damage, imports everything that is whole, and names the commands with which the other site sends the rest. The exit code is 7 if anything is missing. If the command is interrupted, run it again.',
    )
    .argument('<name>', 'the mirror whose definition names the site that wrote the bundle')
    .argument('<directory>', 'the directory of the bundle, or - for standard input')
    .option(
      '--force',
      'accept a bundle of another chain, as after the other site was rebuilt, and ignore maxShrink',
    )
    .action(async (name: string, path: string, { force = false }: ImportFlags) => {
      stopOnSignals();
      const configured = await openSite(command, name);
      const { definition } = configured;
      const source = await openSource(definition, path, output);
      try {
        await importFrom(source, configured, { force }, output, wantsJson(command));
      } finally {
        await source.close();
      }
    });
  addExamples(command, [
    'headwater bundle import hq /media/stick/vault-7-0007',
    'diode-receive | headwater bundle import hq -',
  ]);
}

async function importFrom(
  source: BundleSource,
  { config, definition }: OpenedSite,
  { force }: Pick<ImportOptions, 'force'>,
  output: Output,
  json: boolean,
): Promise<void> {
  const { importBundle } = await import('../../../mirror/site/import.ts');
  const { storeSpace } = await import('../../../server/store-space.ts');
  const { importJson, importText, incompleteImport } = await import('./import-report.ts');
  const progress = await openProgress();
  await withMirrorServices(config, async (services) => {
    const result = await importBundle(definition, source, services, {
      ...defined({ force, ownSite: config.site, progress: progress?.report }),
      requestedBy: commandLineActor(),
      signal: interruption,
      freeSpace: () => storeSpace(config),
      onPrepared: ({ plan }) => progress?.onPlan({ ...plan, move: [] }),
    }).finally(() => progress?.close());
    if (json) output.json(importJson(result));
    else importText(output, result);
    if (result.error !== undefined) throw result.error;
    if (result.outcome === 'partial') throw incompleteImport(result);
  });
}

/** Opens a bundle and checks its signature with the keyring of the definition. */
async function openSource(definition: SiteMirror, path: string, output: Output): Promise<BundleSource> {
  const { openDirectory, openStream } = await import('../../../bundle/import/bundle-source.ts');
  const { siteSignature } = await import('../../../mirror/site/site-signature.ts');
  const check = await siteSignature(definition, (problem) => output.warning(problem));
  return path === '-'
    ? await openStream(process.stdin, 'standard input', check)
    : await openDirectory(path, check);
}

/** Progress bars, on a terminal only. */
async function openProgress() {
  if (process.stderr.isTTY !== true) return undefined;
  const { MirrorProgress } = await import('../../view/mirror-progress.ts');
  return new MirrorProgress();
}
