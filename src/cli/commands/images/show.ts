import type { Command } from 'commander';
import type { ToldProvenance } from '../../../access/told-provenance.ts';
import { isPushed } from '../../../catalog/products/ownership.ts';
import { defined } from '../../../model/defined.ts';
import type { Backend } from '../../backend/backend.ts';
import { clientUrl, withBackend } from '../../backend/open-backend.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import { forOption, printCommands } from '../../print-commands.ts';
import { type Referent, resolveReference } from '../../references.ts';
import type { ClientName } from '../../view/client-commands.ts';
import { humanSize, humanTime } from '../../view/human.ts';
import type { Output } from '../../view/output.ts';
import { provenanceLines } from '../../view/provenance-view.ts';
import { table } from '../../view/table.ts';
import type { VersionView } from '../../view/version-view.ts';

export function addShowCommand(program: Command, output: Output): void {
  const command = program
    .command('show')
    .summary('show the details of a version')
    .description(
      'Show a version with its images and files. REF is an alias, alias/architecture or os:release:architecture:variant: the newest version, or with @serial the version of that serial. Six or more digits of a fingerprint also identify a version. With --provenance, also show the origin of the version: the document of the upstream that lists it, its keys and its dates. If several streams have an alias or a product, write STREAM/ in front of it.',
    )
    .argument('<ref>', 'the version')
    .option('--provenance', 'show the origin of the version, and what proves it')
    .addOption(forOption())
    .action(async (reference: string, options: { provenance?: boolean; for?: ClientName }) => {
      const shown = await withBackend(command, { create: false }, async (backend) => {
        const found = (await resolveReference(backend, reference)).map(newestOf);
        return options.provenance === true
          ? await Promise.all(found.map((one) => withOrigin(one, backend)))
          : found;
      });
      if (options.for !== undefined) {
        const server = await clientUrl(command);
        const used = shown.map(({ version, place }) => ({ version, server, ...defined({ place }) }));
        printCommands(options.for, used, { output, json: wantsJson(command) });
      } else if (wantsJson(command)) {
        output.json(shown.map(({ version, origin }) => ({ ...version, ...defined({ provenance: origin }) })));
      } else output.line(shown.map(describe).join('\n\n'));
    });
  addExamples(command, [
    'headwater show debian/bookworm',
    'headwater show debian/bookworm/arm64@20260131_0524',
    'headwater show debian:bookworm:amd64:default --json',
    'headwater show debian/bookworm --for systemd',
    'headwater show nightly/debian:bookworm:amd64:default',
    'headwater show 3f1c0a9be2d4',
    'headwater show ubuntu/noble --provenance',
  ]);
}

/** Who published a version, as far as it may be told: of pushed images, the owner is only their stream. */
function publisherOf({ owner, pushedBy }: VersionView): string {
  if (isPushed({ owner })) return pushedBy === undefined ? '' : ` by ${pushedBy}`;
  return ` by ${owner}`;
}

interface Shown {
  version: VersionView;
  place: string | undefined;
  /** The serials of the product's other versions, newest first. */
  others: string[];
  /** With `--provenance`. */
  origin?: ToldProvenance;
}

async function withOrigin(shown: Shown, backend: Backend): Promise<Shown> {
  const { stream, product: name, serial } = shown.version;
  const origin = (await backend.provenance({ stream, name })).get(serial);
  return { ...shown, ...defined({ origin }) };
}

function newestOf({ product, versions }: Referent): Shown {
  const version = versions.at(-1);
  if (version === undefined) throw new TypeError('a reference named a product without versions');
  const serials = product.versions.map(({ serial }) => serial).filter((serial) => serial !== version.serial);
  return { version, place: product.place, others: serials.reverse() };
}

function describe({ version, others, origin }: Shown): string {
  const aliases: [string, string][] = [['aliases', version.aliases.join(', ') || '-']];
  // The product of a pushed image only repeats its alias.
  const facts: [string, string][] = [
    ...(isPushed(version) ? aliases : []),
    ['product', version.product],
    ['serial', `${version.serial}${version.newest ? ' (newest)' : ''}`],
    ['stream', version.stream],
    ['title', `${version.osTitle} ${version.releaseTitle}`],
    ['label', version.label],
    ['published', `${humanTime(new Date(version.publishedAt))} UTC${publisherOf(version)}`],
    ['supported until', version.supportEol ?? '-'],
    [
      'requirements',
      Object.entries(version.requirements)
        .map(([key, value]) => `${key}=${value}`)
        .join(', ') || '-',
    ],
    ...(isPushed(version) ? [] : aliases),
    ['other versions', others.join(', ') || '-'],
  ];
  const images = version.images.flatMap(({ type, file, size, fingerprint }) => [
    `  ${type}, ${humanSize(size)}, from ${file}`,
    `    fingerprint ${fingerprint}`,
  ]);
  const files = table(
    [
      { title: 'FILE', value: ({ name }) => name },
      { title: 'TYPE', value: ({ type }) => type },
      { title: 'BYTES', value: ({ size }) => String(size), align: 'right' },
      { title: 'SHA-256', value: ({ sha256 }) => sha256 },
    ],
    version.files,
  );
  return [
    ...aligned(facts),
    'images:',
    ...images,
    'files:',
    ...files.split('\n').map((line) => `  ${line}`),
    ...(origin === undefined
      ? []
      : ['provenance:', ...aligned(provenanceLines(origin)).map((line) => `  ${line}`)]),
  ].join('\n');
}

function aligned(lines: [name: string, value: string][]): string[] {
  const width = Math.max(...lines.map(([name]) => name.length)) + 2;
  return lines.map(([name, value]) => `${`${name}:`.padEnd(width)}${value}`);
}
