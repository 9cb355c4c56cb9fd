import type { Command } from 'commander';
import { HeadwaterError } from '../../../../errors.ts';
import { withMirrorServices } from '../../../backend/open-mirrors.ts';
import { openSigner } from '../../../backend/open-signing.ts';
import { wantsJson } from '../../../global-options.ts';
import { addExamples } from '../../../help.ts';
import type { Output } from '../../../view/output.ts';
import { openSite } from './open-site.ts';

export function addReceipt(bundle: Command, output: Output): void {
  const command = bundle
    .command('receipt')
    .summary('state which files of bundles have arrived')
    .description(
      'Print a receipt for the site that writes bundles: the last imported bundle, the files that this site has, and those that are missing, signed with the key of this site. The other site takes it with "headwater bundle acknowledge". --short prints one line instead, for a telephone call; the other site accepts it only if nothing is missing.',
    )
    .argument('<name>', 'the mirror whose definition names the site that writes the bundles')
    .option('--short', 'print a short code, which is not signed')
    .action(async (name: string, { short = false }: { short?: boolean }) => {
      const { config, definition } = await openSite(command, name);
      const sign = short ? undefined : await openSigner(config);
      const { makeReceipt } = await import('../../../../bundle/receipt/make-receipt.ts');
      const { renderReceipt } = await import('../../../../bundle/receipt/receipt.ts');
      const { renderCode } = await import('../../../../bundle/receipt/short-code.ts');
      const { content, code } = await withMirrorServices(
        config,
        async (services) => await makeReceipt(definition, services, config.site),
      );
      const { missing } = content;
      if (missing.length > 0) output.warning(`${missing.length} files are missing`);
      if (sign !== undefined) {
        output.line((await sign.clear(renderReceipt(content))).trimEnd());
        return;
      }
      if (code === undefined) {
        throw new HeadwaterError('not-found', `mirror ${name} imported no bundle: use a full receipt`);
      }
      if (wantsJson(command)) output.json({ ...code, missing: missing.length });
      else output.line(renderCode(code));
    });
  addExamples(command, [
    'headwater bundle receipt hq > /media/stick/vault-7.receipt',
    'headwater bundle receipt hq --short',
  ]);
}
