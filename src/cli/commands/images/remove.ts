import type { Command } from 'commander';
import { HeadwaterError } from '../../../errors.ts';
import { inStream } from '../../../model/names.ts';
import { withBackend } from '../../backend/open-backend.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import { resolveReference } from '../../references.ts';
import type { Output } from '../../view/output.ts';
import type { VersionView } from '../../view/version-view.ts';

interface Removed {
  stream: string;
  product: string;
  serial: string;
}

/** A version as a REF names it: with its stream when the user named it so. */
function nameOf({ stream, product, serial }: Removed, reference: string): string {
  const name = reference.startsWith(`${stream}/`) ? inStream(stream, product) : product;
  return `${name}@${serial}`;
}

export function addRemoveCommand(program: Command, output: Output): void {
  const command = program
    .command('remove')
    .summary('remove a version')
    .description(
      'Remove the version that REF names (see "headwater show --help"). It disappears from the documents at once. Its files stay fetchable for the grace period, because clients cache the index for an hour.',
    )
    .argument('<ref>', 'the version; add @serial if there are several')
    .option('--all-versions', 'remove every version that REF names')
    .action(async (reference: string, options: { allVersions?: boolean }) => {
      const removed = await withBackend(command, { create: false }, async (backend) => {
        const versions = (await resolveReference(backend, reference)).flatMap(
          (referent) => referent.versions,
        );
        if (versions.length > 1 && options.allVersions !== true) throw tooMany(reference, versions);
        for (const { stream, product, serial } of versions)
          await backend.remove({ stream, name: product }, serial);
        return versions.map(({ stream, product, serial }) => ({ stream, product, serial }));
      });
      if (wantsJson(command)) output.json({ removed });
      else for (const version of removed) output.line(`${nameOf(version, reference)} removed`);
    });
  addExamples(command, [
    'headwater remove debian/bookworm/amd64@20260131_0524',
    'headwater remove 3f1c0a9be2d4',
    'headwater remove debian:bookworm:amd64:default --all-versions',
  ]);
}

function tooMany(reference: string, versions: VersionView[]): HeadwaterError {
  const names = versions.map((version) => `  ${nameOf(version, reference)}`).join('\n');
  return new HeadwaterError(
    'conflict',
    `${reference} names ${versions.length} versions: use one of these names, or --all-versions to remove all\n${names}`,
  );
}
