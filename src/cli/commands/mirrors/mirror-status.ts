import type { Command } from 'commander';
import { isSite } from '../../../config/sites/any-definition.ts';
import type { MirrorStatus } from '../../../mirror/status.ts';
import { catalogFileOf } from '../../../server/catalog-file.ts';
import { configuredMirrors, findMirror } from '../../backend/open-mirrors.ts';
import { targetOf, wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import type { Output } from '../../view/output.ts';

export function addList(mirror: Command, output: Output): void {
  const command = mirror
    .command('list')
    .summary('list the defined mirrors')
    .description('List the defined mirrors, enabled or not.')
    .action(async () => {
      const listed = await list(command);
      if (wantsJson(command)) {
        output.json(listed);
        return;
      }
      const { table } = await import('../../view/table.ts');
      output.line(
        table(
          [
            { title: 'MIRROR', value: ({ name }) => name },
            { title: 'ENABLED', value: ({ enabled }) => (enabled ? 'yes' : 'no') },
            { title: 'UPSTREAM', value: ({ url, site }) => url ?? `site ${site}` },
            { title: 'SIGNED', value: ({ signed }) => (signed ? 'yes' : 'no') },
            { title: 'MODE', value: ({ mode }) => mode },
            { title: 'STREAM', value: ({ stream }) => stream ?? '-' },
            {
              title: 'SCHEDULE',
              value: ({ schedule, timezone }) => (schedule === undefined ? '-' : `${schedule} ${timezone}`),
            },
          ],
          listed,
        ),
      );
    });
  addExamples(command, ['headwater mirror list', 'headwater mirror list --json']);
}

export function addStatus(mirror: Command, output: Output): void {
  const command = mirror
    .command('status')
    .summary('show the state of mirrors')
    .description(
      'Show the state of mirrors: the last run, the last success, the date of the upstream, the next run.',
    )
    .argument('[name]', 'a mirror')
    .action(async (name: string | undefined) => {
      const statuses = await statusesOf(command, name);
      if (wantsJson(command)) {
        output.json(statuses);
        return;
      }
      const { statusTable } = await import('../../view/mirror-views.ts');
      output.line(statusTable(statuses));
      for (const { name: stale, lastRun } of statuses.filter((status) => status.stale)) {
        output.warning(
          `mirror ${stale} is older than its maxAge${lastRun?.error ? `: ${lastRun.error}` : ''}`,
        );
      }
      for (const { name: incomplete, waiting } of statuses) {
        if (waiting === undefined || waiting.versions === 0) continue;
        const { waitingText } = await import('../../view/mirror-views.ts');
        output.warning(`mirror ${incomplete}: ${waitingText(waiting)}`);
      }
      for (const { name: frozen } of statuses.filter((status) => status.upstreamStale)) {
        output.warning(`mirror ${frozen}: the upstream's documents are older than upstreamMaxAge`);
      }
    });
  addExamples(command, [
    'headwater mirror status',
    'headwater mirror status ubuntu --json',
    'headwater mirror status --server https://images.example.com:8443',
  ]);
}

/** The listed fields of a mirror; a server does not send the whole definition. */
type Listed = Pick<MirrorStatus, 'name' | 'url' | 'site' | 'enabled' | 'signed' | 'mode' | 'stream'> & {
  schedule?: string;
  timezone?: string;
};

async function list(command: Command): Promise<Listed[]> {
  if (targetOf(command).kind === 'remote') return await statusesOf(command, undefined);
  const { definitions } = await configuredMirrors(command);
  return definitions.map((definition) => {
    const signed = definition.keyring !== undefined;
    if (isSite(definition)) return { ...definition, signed, mode: 'bundles' };
    const { credentials, ...rest } = definition;
    return { ...rest, signed, withCredentials: credentials !== undefined };
  });
}

/** The state of one mirror, or of all. */
async function statusesOf(command: Command, name: string | undefined): Promise<MirrorStatus[]> {
  const target = targetOf(command);
  if (target.kind === 'remote') {
    const { RemoteMirrors } = await import('../../backend/remote-mirrors.ts');
    return await RemoteMirrors.with(target, async (mirrors) =>
      name === undefined ? await mirrors.statuses() : [await mirrors.status(name)],
    );
  }
  const configured = await configuredMirrors(command);
  const chosen = name === undefined ? configured.definitions : [findMirror(configured, name)];
  const { anyStatus } = await import('../../../mirror/any-status.ts');
  const { Catalog } = await import('../../../catalog/catalog.ts');
  const catalog = await Catalog.open(catalogFileOf(configured.config));
  try {
    return await Promise.all(chosen.map(async (definition) => await anyStatus(definition, catalog)));
  } finally {
    await catalog.close();
  }
}
