import type { Command } from 'commander';
import { defined } from '../../../model/defined.ts';
import { clientUrl, withBackend } from '../../backend/open-backend.ts';
import { parseFilters } from '../../filters.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import { forOption, printCommands } from '../../print-commands.ts';
import type { ClientName } from '../../view/client-commands.ts';
import { humanSize } from '../../view/human.ts';
import type { Output } from '../../view/output.ts';
import { type Column, table } from '../../view/table.ts';
import { type ImageView, shownName, type VersionView, viewsOf } from '../../view/version-view.ts';

export function addListCommand(program: Command, output: Output): void {
  const command = program
    .command('list')
    .summary('list versions')
    .description(
      'List the newest version of each product. A filter is key=value (os, release, architecture, variant, stream, type, alias, serial; * and ? match anything) or a word that occurs anywhere. A version must match all filters.',
    )
    .argument('[filter...]', 'key=value or a word')
    .option('--all-versions', 'list older versions too')
    .addOption(forOption())
    .action(async (filters: string[], options: { allVersions?: boolean; for?: ClientName }) => {
      const passes = parseFilters(filters);
      const versions: VersionView[] = [];
      const places = new Map<VersionView, string | undefined>();
      await withBackend(command, { create: false }, async (backend) => {
        for await (const product of backend.products()) {
          const views = viewsOf(product).filter((view) => options.allVersions === true || view.newest);
          for (const view of views.filter(passes)) {
            versions.push(view);
            places.set(view, product.place);
          }
        }
      });
      if (options.for !== undefined && versions.length > 0) {
        const server = await clientUrl(command);
        const used = versions.map((version) => ({
          ...{ version, server },
          ...defined({ place: places.get(version) }),
        }));
        printCommands(options.for, used, { output, json: wantsJson(command) });
      } else if (wantsJson(command)) output.json(versions);
      else if (versions.length === 0)
        output.note(filters.length === 0 ? 'No versions yet.' : 'No version matches.');
      else output.line(versionTable(versions));
    });
  addExamples(command, [
    'headwater list',
    "headwater list os=debian arch=amd64 'release=b*'",
    'headwater list bookworm --all-versions',
    'headwater list os=debian --for lxc-download',
    "headwater list type=container --json | jq -r '.[].images[].fingerprint'",
  ]);
}

interface Line {
  version: VersionView;
  image: ImageView;
}

const columns: Column<Line>[] = [
  { title: 'PRODUCT', value: ({ version }) => shownName(version) },
  { title: 'SERIAL', value: ({ version }) => version.serial },
  { title: 'STREAM', value: ({ version }) => version.stream },
  { title: 'TYPE', value: ({ image }) => image.type },
  { title: 'ROOT', value: ({ image }) => image.file },
  { title: 'SIZE', value: ({ image }) => humanSize(image.size), align: 'right' },
  { title: 'FINGERPRINT', value: ({ image }) => image.fingerprint.slice(0, 12) },
];

const pusher: Column<Line> = { title: 'PUSHED BY', value: ({ version }) => version.pushedBy ?? '-' };

/** A line for each image. */
function versionTable(versions: VersionView[]): string {
  const [product, ...others] = columns;
  const isPushed = versions.some(({ pushedBy }) => pushedBy !== undefined);
  return table(
    isPushed && product !== undefined ? [product, pusher, ...others] : columns,
    versions.flatMap((version) => version.images.map((image) => ({ version, image }))),
  );
}
