import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import type { Plan } from '../../mirror/plan/plan.ts';
import type { UpstreamOffer } from '../../mirror/run/read-upstream.ts';
import type { RunReport, RunResult } from '../../mirror/run/report.ts';
import type { Waiting } from '../../mirror/site/waiting.ts';
import type { MirrorStatus } from '../../mirror/status.ts';
import { humanDuration, humanSize, humanTime } from './human.ts';
import type { Output } from './output.ts';
import { table } from './table.ts';

/** How many versions of a plan are listed for people. */
const maxVersionsListed = 50;

/** How many missing bytes a run downloads, and how many it only lists. */
function bytesOf({ mode }: Pick<MirrorDefinition, 'mode'>, missing: number) {
  return mode === 'on-demand' ? { fetch: 0, onDemand: missing } : { fetch: missing, onDemand: 0 };
}

/** A plan as JSON. */
export function planJson(
  mirror: Pick<MirrorDefinition, 'name' | 'mode'>,
  { plan, offer }: { plan: Plan; offer: UpstreamOffer },
) {
  return {
    mirror: mirror.name,
    mode: mirror.mode,
    add: plan.add.map(({ product, version, files, fetch }) => ({
      product,
      serial: version.serial,
      upstream: version.name,
      files: files.map(({ ftype, path, size }) => ({ ftype, path, size })),
      ...bytesOf(mirror, fetch),
    })),
    move: plan.move,
    kept: plan.kept,
    retire: plan.retire,
    ...bytesOf(mirror, plan.fetch),
    stored: plan.stored,
    skipped: [...offer.skipped, ...plan.skipped],
    warnings: offer.warnings,
  };
}

/** Prints a plan for people. */
export function printPlan(
  output: Output,
  { name, mode, stream }: Pick<MirrorDefinition, 'name' | 'mode' | 'stream'>,
  { plan, offer }: { plan: Plan; offer: UpstreamOffer },
): void {
  const isListed = mode === 'on-demand';
  if (plan.add.length > 0) {
    const rows = plan.add.slice(0, maxVersionsListed);
    output.line(
      table(
        [
          { title: 'ADD', value: ({ product }) => product },
          { title: 'VERSION', value: ({ version }) => version.serial },
          { title: 'FILES', value: ({ files }) => files.map(({ ftype }) => ftype).join(' ') },
          {
            title: isListed ? 'ON DEMAND' : 'TO FETCH',
            value: ({ fetch }) => humanSize(fetch),
            align: 'right',
          },
        ],
        rows,
      ),
    );
    if (plan.add.length > rows.length)
      output.line(`… and ${plan.add.length - rows.length} more (--json lists all)`);
  }
  if (plan.move.length > 0)
    output.line(`${name}: ${count(plan.move.length, 'product')} to move into the stream ${stream}`);
  for (const { product, serial } of plan.retire.slice(0, maxVersionsListed))
    output.line(`RETIRE  ${product}  ${serial}`);
  const stored = plan.stored > 0 ? `, ${humanSize(plan.stored)} are stored already` : '';
  const missing = humanSize(plan.fetch);
  output.line(
    `${name}: ${count(plan.add.length, 'version')} to ${isListed ? 'list' : 'add'}, ${plan.kept} kept, ${plan.retire.length} to retire; ` +
      `${isListed ? `nothing to fetch now, ${missing} when clients ask for it` : `${missing} to fetch`}${stored}`,
  );
  printSkipped(output, name, [...offer.skipped, ...plan.skipped]);
  for (const warning of offer.warnings) output.warning(warning);
}

/** Prints what a run did, for people. */
export function printResult(output: Output, { mirror, outcome, report, ...times }: RunResult): void {
  const seconds = (times.finishedAt.getTime() - times.startedAt.getTime()) / 1000;
  const did = [
    `${count(report.added, 'version')} added`,
    `${report.kept} kept`,
    `${report.retired} retired`,
    ...(report.failures > 0 ? [`${report.failures} failed`] : []),
  ].join(', ');
  output.line(
    outcome === 'unchanged' && report.retired === 0
      ? `${mirror}: the upstream has not changed`
      : `${mirror}: ${outcome}: ${did}; ${humanSize(report.fetched)} fetched in ${humanDuration(seconds)}`,
  );
  printSkipped(output, mirror, report.skipped);
  for (const { product, version, error } of report.failed) output.warning(`${product} ${version}: ${error}`);
  for (const { alias, owner } of report.aliases.withheld) {
    output.warning(`alias ${alias} was left out: it points to a product of ${owner}`);
  }
  for (const warning of report.warnings) output.warning(warning);
}

function printSkipped(output: Output, mirror: string, skipped: RunReport['skipped']): void {
  for (const { count: times, reason, example } of skipped) {
    output.note(`${mirror}: skipped ${times}: ${reason} (such as ${example})`);
  }
}

/** Says what versions wait for, and which bundles had it. */
export function waitingText({ versions, blobs, bytes, bundles }: Waiting): string {
  const had = bundles.map(
    ({ sequence, blobs: count }) => `bundle ${sequence} had ${count === 1 ? 'one' : count} of them`,
  );
  return `${count(versions, 'version')} waiting for ${count(blobs, 'file')} (${humanSize(bytes)}): ${had.join(', ')}`;
}

/** The states of mirrors, as a table. */
export function statusTable(statuses: MirrorStatus[]): string {
  return table(
    [
      { title: 'MIRROR', value: ({ name }) => name },
      { title: 'STATE', value: stateOf },
      {
        title: 'LAST RUN',
        value: ({ lastRun }) => (lastRun === undefined ? '-' : humanTime(lastRun.startedAt)),
      },
      { title: 'RESULT', value: ({ lastRun }) => lastRun?.outcome ?? '-' },
      { title: 'ADDED', value: ({ lastRun }) => String(lastRun?.report?.added ?? '-'), align: 'right' },
      { title: 'FAILED', value: ({ lastRun }) => String(lastRun?.report?.failures ?? '-'), align: 'right' },
      {
        title: 'LAST SUCCESS',
        value: ({ lastSuccess }) => (lastSuccess === undefined ? '-' : humanTime(lastSuccess)),
      },
      {
        title: 'UPSTREAM DATE',
        value: ({ upstreamUpdated }) => (upstreamUpdated === undefined ? '-' : humanTime(upstreamUpdated)),
      },
      { title: 'NEXT RUN', value: ({ nextRun }) => (nextRun === undefined ? '-' : humanTime(nextRun)) },
    ],
    statuses,
  );
}

function stateOf(status: MirrorStatus): string {
  if (status.running) return 'running';
  if (!status.enabled) return 'disabled';
  if (status.lastRun === undefined) return 'never run';
  if (status.stale) return 'stale';
  if ((status.waiting?.versions ?? 0) > 0) return 'waiting';
  return status.upstreamStale ? 'upstream stale' : 'enabled';
}

export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
