import type { Command } from 'commander';
import { parseDuration } from '../../../config/quantities.ts';
import { HeadwaterError } from '../../../errors.ts';
import { defined } from '../../../model/defined.ts';
import type { AuditRequest } from '../../backend/backend.ts';
import { withBackend } from '../../backend/open-backend.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import { humanTime } from '../../view/human.ts';
import type { Output } from '../../view/output.ts';
import { table } from '../../view/table.ts';

const maxEntries = 100_000;

interface AuditOptions {
  since?: string;
  who?: string;
  limit: string;
}

export function addAuditCommand(program: Command, output: Output): void {
  const audit = program
    .command('audit')
    .summary('show the audit log')
    .description(
      'Show the changes of versions, aliases, tokens, clients, pushed images and signing keys, newest first, with the author, address and time of each.',
    )
    .option('--since <when>', 'only changes since this time in UTC, or since a duration ago, such as 7d')
    .option('--who <who>', 'only changes by token:NAME, client:NAME or local:USER')
    .option('--limit <count>', 'number of changes', '100')
    .action(async (options: AuditOptions) => {
      const request = requestOf(options);
      const entries = await withBackend(
        audit,
        { create: false },
        async (backend) => await backend.audit(request),
      );
      if (wantsJson(audit)) output.json(entries);
      else if (entries.length === 0) output.note('No changes.');
      else {
        output.line(
          table(
            [
              { title: 'WHEN', value: ({ at }) => humanTime(at) },
              { title: 'WHO', value: ({ who }) => who },
              { title: 'FROM', value: ({ from }) => from },
              { title: 'ACTION', value: ({ action }) => action },
              { title: 'WHAT', value: ({ subject }) => subject },
              {
                title: 'DETAILS',
                value: ({ details }) => (details === undefined ? '' : JSON.stringify(details)),
              },
            ],
            entries,
          ),
        );
      }
    });
  addExamples(audit, [
    'headwater audit',
    'headwater audit --since 7d --who client:laptop',
    "headwater audit --since 2026-01-31T05:00Z --json | jq -r '.[].subject'",
  ]);
}

function requestOf({ since, who, limit }: AuditOptions): AuditRequest {
  const count = Number(limit);
  if (!Number.isInteger(count) || count < 1 || count > maxEntries) {
    throw new HeadwaterError('usage', `--limit ${limit}: expected a whole number from 1 to ${maxEntries}`);
  }
  return {
    limit: count,
    ...defined({ who }),
    ...(since === undefined ? {} : { since: parseSince(since) }),
  };
}

function parseSince(text: string): Date {
  const ago = parseDuration(text);
  if (ago !== undefined) return new Date(Date.now() - ago);
  const [, date, time] = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)Z?)?$/.exec(text) ?? [];
  const since = new Date(`${date}T${time ?? '00:00'}Z`);
  if (date !== undefined && !Number.isNaN(since.getTime())) return since;
  throw new HeadwaterError(
    'usage',
    `--since ${text}: expected a time such as 2026-01-31T05:24Z, or a duration such as 7d`,
  );
}
