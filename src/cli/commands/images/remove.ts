import type { Command } from 'commander';
import { HeadwaterError, isKind } from '../../../errors.ts';
import { inStream, parseSerial } from '../../../model/names.ts';
import { parseReason } from '../../../model/reason.ts';
import type { Backend } from '../../backend/backend.ts';
import { withBackend } from '../../backend/open-backend.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import { resolveReference } from '../../references.ts';
import type { Output } from '../../view/output.ts';

interface RemoveOptions {
  allVersions?: boolean;
  withdraw?: string;
}

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
    .option(
      '--withdraw <reason>',
      'withdraw the version, such as one with a security hole: mirrors do not bring it back, it cannot be published again, and bundles tell sites to remove it',
    )
    .action(async (reference: string, options: RemoveOptions) => {
      const withdraw = options.withdraw === undefined ? {} : { withdraw: parseReason(options.withdraw) };
      const removed = await withBackend(command, { create: false }, async (backend) => {
        const versions =
          options.withdraw === undefined
            ? await listedVersions(backend, reference)
            : await versionsToWithdraw(backend, reference);
        if (versions.length > 1 && options.allVersions !== true) throw tooMany(reference, versions);
        for (const { stream, product, serial } of versions)
          await backend.remove({ stream, name: product }, serial, withdraw);
        return versions.map(({ stream, product, serial }) => ({ stream, product, serial }));
      });
      if (wantsJson(command)) output.json({ removed });
      else {
        const done = options.withdraw === undefined ? 'removed' : 'withdrawn';
        for (const version of removed) output.line(`${nameOf(version, reference)} ${done}`);
      }
    });
  addExamples(command, [
    'headwater remove debian/bookworm/amd64@20260131_0524',
    'headwater remove 3f1c0a9be2d4',
    'headwater remove debian:bookworm:amd64:default --all-versions',
    "headwater remove debian/bookworm/amd64@20260131_0524 --withdraw 'CVE-2026-1234'",
  ]);
}

async function listedVersions(backend: Backend, reference: string): Promise<Removed[]> {
  return (await resolveReference(backend, reference)).flatMap(({ versions }) => versions);
}

/** Also a version that is no longer listed here, because a site may still have it: its product and serial name it. */
async function versionsToWithdraw(backend: Backend, reference: string): Promise<Removed[]> {
  try {
    return await listedVersions(backend, reference);
  } catch (error) {
    const [name = '', serial] = reference.split('@');
    if (!isKind(error, 'not-found') || serial === undefined) throw error;
    const products = new Map(
      (await listedVersions(backend, name)).map((version) => [version.product, version]),
    );
    const [only, ...others] = products.values();
    if (only === undefined || others.length > 0) throw error;
    return [{ ...only, serial: parseSerial(serial) }];
  }
}

function tooMany(reference: string, versions: Removed[]): HeadwaterError {
  const names = versions.map((version) => `  ${nameOf(version, reference)}`).join('\n');
  return new HeadwaterError(
    'conflict',
    `${reference} names ${versions.length} versions: use one of these names, or --all-versions to remove all\n${names}`,
  );
}
