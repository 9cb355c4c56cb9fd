import type { Command } from 'commander';
import { parseDuration } from '../../../../config/quantities.ts';
import { HeadwaterError, messageOf } from '../../../../errors.ts';
import { defined } from '../../../../model/defined.ts';
import { commandLineActor } from '../../../backend/command-line-actor.ts';
import { withMirrorServices } from '../../../backend/open-mirrors.ts';
import { wantsJson } from '../../../global-options.ts';
import { addExamples } from '../../../help.ts';
import { interruption, stopOnSignals } from '../../../interruption.ts';
import type { Output } from '../../../view/output.ts';
import { openSite } from './open-site.ts';

export function addWatch(bundle: Command, output: Output): void {
  const command = bundle
    .command('watch')
    .summary('import the bundles that arrive in a directory')
    .description(
      'Import the bundles that arrive in a directory, such as the one in which a data diode puts files, until the command is stopped. Each bundle is in a directory of its own. Files may arrive in any order, slowly and more than once: a bundle is imported when all files that its SHA256SUMS names are complete. If a part of a bundle does not arrive, the rest is imported after a while (--patience).',
    )
    .argument('<name>', 'the mirror whose definition names the site that writes the bundles')
    .argument('<directory>', 'the directory in which bundles arrive')
    .option('--patience <duration>', 'how long to wait for more files of an incomplete bundle', '1h')
    .action(async (name: string, directory: string, options: { patience: string }) => {
      stopOnSignals();
      const patience = parseDuration(options.patience);
      if (patience === undefined) {
        throw new HeadwaterError('usage', `--patience ${options.patience}: expected a duration such as 1h`);
      }
      const { config, definition } = await openSite(command, name);
      const { openDirectory } = await import('../../../../bundle/import/bundle-source.ts');
      const { siteSignature } = await import('../../../../mirror/site/site-signature.ts');
      const { watchBundles } = await import('../../../../mirror/arrivals/watch-bundles.ts');
      const { importBundle } = await import('../../../../mirror/site/import.ts');
      const { storeSpace } = await import('../../../../server/store-space.ts');
      const { importJson, importText } = await import('../import-report.ts');
      const check = await siteSignature(definition);
      await withMirrorServices(config, async (services) => {
        output.note(`waiting for bundles in ${directory}`);
        await watchBundles(directory, {
          ...{ check, patience, signal: interruption },
          onBundle: async (path, missing) => {
            if (missing.length > 0)
              output.warning(`${path}: ${missing.join(', ')} did not arrive completely`);
            const source = await openDirectory(path, check);
            try {
              const result = await importBundle(definition, source, services, {
                ...defined({ ownSite: config.site }),
                ...{ requestedBy: commandLineActor(), signal: interruption },
                freeSpace: () => storeSpace(config),
              });
              if (wantsJson(command)) output.json(importJson(result));
              else importText(output, result);
              if (result.error !== undefined) throw result.error;
            } finally {
              await source.close();
            }
          },
          onError: (path, error) => output.warning(`${path}: ${messageOf(error)}`),
        });
      });
    });
  addExamples(command, ['headwater bundle watch hq /srv/diode']);
}
