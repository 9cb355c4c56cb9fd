import type { Command } from 'commander';
import type { ReceiptToTake } from '../../../bundle/receipt/acknowledge.ts';
import type { Catalog } from '../../../catalog/catalog.ts';
import type { Config } from '../../../config/schema.ts';
import { HeadwaterError } from '../../../errors.ts';
import { localConfig } from '../../backend/open-backend.ts';
import { withStorage } from '../../backend/open-storage.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import type { Output } from '../../view/output.ts';
import { openReceipt } from './open-receipt.ts';

export function addAcknowledge(bundle: Command, output: Output): void {
  const command = bundle
    .command('acknowledge')
    .summary('take the receipt of a site')
    .description(
      'Take the receipt that a site wrote with "headwater bundle receipt": a signed file, or a short code. The next bundle for the site contains exactly the files that the site lacks according to the receipt. A short code is not signed: take it only from a person whom you trust.',
    )
    .argument('<receipt...>', 'the file, or the code: SITE NUMBER CODE')
    .option(
      '--keyring <file>',
      'public keys of the site, binary or armored (default: receiptKeyring in the definition of the site)',
    )
    .option('--force', 'also if a newer receipt of the site was taken')
    .action(async (words: string[], options: { keyring?: string; force?: boolean }) => {
      const { config } = await localConfig(command, []);
      const taken = await withStorage(config, async ({ catalog }) => {
        const toTake = await readReceipt(words, options, { catalog, config });
        await catalog.receipts.take(toTake.receipt, toTake.held, { force: options.force === true });
        return toTake;
      });
      const { receipt, held } = taken;
      if (wantsJson(command)) output.json({ ...receipt, held: held.length });
      else output.line(takenText(taken));
    });
  addExamples(command, [
    'headwater bundle acknowledge /media/stick/vault-7.receipt --keyring vault-7.gpg',
    'headwater bundle acknowledge vault-7 7 3f2a-9c1b-04d2',
  ]);
}

async function readReceipt(
  words: readonly string[],
  { keyring }: { keyring?: string },
  parts: { catalog: Catalog; config: Config },
): Promise<ReceiptToTake> {
  const { parseCode } = await import('../../../bundle/receipt/short-code.ts');
  const code = parseCode(words.join(' '));
  if (code === undefined) {
    const [file, more] = words;
    if (file === undefined || more !== undefined) {
      throw new HeadwaterError(
        'usage',
        `${words.join(' ')}: expected a file or a code such as "vault-7 7 3f2a-9c1b-04d2"`,
      );
    }
    return await openReceipt(file, { keyring }, parts);
  }
  const { checkCode } = await import('../../../bundle/receipt/acknowledge.ts');
  return await checkCode(code, parts.catalog);
}

function takenText({ receipt: { site, sequence, missing }, held }: ReceiptToTake): string {
  if (sequence === 0) return `${site} has no bundle: the next one contains everything`;
  const lacks = missing === 0 ? '' : `; it lacks ${missing}, which the next bundle contains`;
  return `${site} has bundle ${sequence} and ${held.length} files of bundles${lacks}`;
}
