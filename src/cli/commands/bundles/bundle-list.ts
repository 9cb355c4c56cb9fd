import type { Command } from 'commander';
import type { LedgerEntry } from '../../../catalog/bundles/bundles.ts';
import { localConfig } from '../../backend/open-backend.ts';
import { withStorage } from '../../backend/open-storage.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import { humanSize, humanTime } from '../../view/human.ts';
import type { Output } from '../../view/output.ts';
import { type Column, table } from '../../view/table.ts';

const columns: Column<LedgerEntry>[] = [
  { title: 'TO', value: ({ to }) => to },
  { title: 'NUMBER', value: ({ sequence }) => String(sequence), align: 'right' },
  { title: 'CREATED', value: ({ createdAt }) => humanTime(createdAt) },
  { title: 'STATE', value: stateOf },
  { title: 'VOLUMES', value: ({ volumeCount }) => String(volumeCount), align: 'right' },
  { title: 'SIZE', value: ({ bytes }) => humanSize(bytes), align: 'right' },
  { title: 'LABEL', value: ({ label }) => label ?? '-' },
];

function stateOf({ finishedAt, acknowledgedAt }: LedgerEntry): string {
  if (acknowledgedAt !== undefined) return 'acknowledged';
  return finishedAt === undefined ? 'unfinished' : 'sent';
}

export function addList(bundle: Command, output: Output): void {
  const command = bundle
    .command('list')
    .summary('list the bundles that were written')
    .description(
      'List the bundles that were written, with the size of the images that they carry. A bundle is acknowledged if a receipt of the site names it or a later one.',
    )
    .option('--to <site>', 'only bundles for this site')
    .action(async (options: { to?: string }) => {
      const { config } = await localConfig(command, []);
      const bundles = await withStorage(
        config,
        async ({ catalog }) => await catalog.bundles.list(options.to),
      );
      if (wantsJson(command)) output.json(bundles);
      else if (bundles.length === 0) output.note('No bundles yet.');
      else output.line(table(columns, bundles));
    });
  addExamples(command, ['headwater bundle list', 'headwater bundle list --to vault-7 --json']);
}
