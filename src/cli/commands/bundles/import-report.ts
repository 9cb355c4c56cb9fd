import { bundleName } from '../../../bundle/format/manifest.ts';
import type { OpenBundle } from '../../../bundle/verify/open-bundle.ts';
import type { SiteMirror } from '../../../config/sites/site-mirror-schema.ts';
import { HeadwaterError, messageOf } from '../../../errors.ts';
import type { RunResult } from '../../../mirror/run/report.ts';
import type { Preparation } from '../../../mirror/site/preparation.ts';
import { heldWithdrawn } from '../../../mirror/site/site-reconcile.ts';
import { requestsFor, type Waiting } from '../../../mirror/site/waiting.ts';
import { inStream } from '../../../model/names.ts';
import { humanDuration, humanSize } from '../../view/human.ts';
import { count, waitingText } from '../../view/mirror-views.ts';
import type { Output } from '../../view/output.ts';

/** How many versions are listed for people. */
const maxListed = 50;

/** What an import would do, for scripts. @param free bytes; undefined if the store does not tell */
export function planJson(
  definition: SiteMirror,
  { content, identity, signedBy }: OpenBundle,
  { place, state, plan, wanted, waiting, offer }: Preparation,
  free: number | undefined,
): unknown {
  const { site, to, sequence, created } = content;
  return {
    mirror: definition.name,
    ...{ site, to, sequence, identity, created, signedBy: signedBy ?? null, newest: state.sequence },
    otherChain: place.forced ?? null,
    add: plan.add.map(({ stream, product, version, files }) => ({
      ...{ stream, product, serial: version.serial },
      files: files.map(({ ftype, path, size, sha256 }) => ({ ftype, path, size, sha256 })),
    })),
    ...{ retire: plan.retire, withdrawn: heldWithdrawn(definition, state), kept: plan.kept },
    ...{ bytes: sizeOf(wanted.values()), free: free ?? null, stored: plan.stored },
    ...{ waiting, requests: requestsFor(content, waiting, { sequence, volumes: [] }) },
    ...{ skipped: [...offer.skipped, ...plan.skipped], warnings: offer.warnings },
  };
}

/** What an import would do, for people. */
export function planText(
  definition: SiteMirror,
  { content, signedBy }: OpenBundle,
  { place, state, plan, wanted, waiting, offer }: Preparation,
  free: number | undefined,
): string {
  const { site, sequence, created } = content;
  const order = place.isNewest ? '' : `; bundle ${state.sequence} is newer, and its state stays`;
  const lines = [
    `${bundleName(content)}: bundle ${sequence} of ${site}, created ${created}, ${signature(signedBy)}${order}`,
  ];
  if (place.forced !== undefined) lines.push(`with --force: ${place.forced}`);
  const added = plan.add.map(
    ({ stream, product, version }) => `${inStream(stream, product)} ${version.serial}`,
  );
  lines.push(...listed('ADD', added));
  lines.push(
    ...listed(
      'RETIRE',
      plan.retire.map(({ product, serial }) => `${product} ${serial}`),
    ),
  );
  const withdrawn = heldWithdrawn(definition, state);
  lines.push(
    ...listed(
      'WITHDRAWN',
      withdrawn.map(({ stream, product, serial }) => `${inStream(stream, product)} ${serial}`),
    ),
  );
  for (const { count: times, reason, example } of [...offer.skipped, ...plan.skipped]) {
    lines.push(`skipped ${times}: ${reason} (such as ${example})`);
  }
  const space = free === undefined ? '' : `, ${humanSize(free)} free`;
  lines.push(
    `adds ${plan.add.length}, retires ${plan.retire.length}, needs ${humanSize(sizeOf(wanted.values()))}${space}`,
  );
  lines.push(
    ...waitingLines(waiting, 'After the import: '),
    ...requestLines(site, requestsFor(content, waiting, { sequence, volumes: [] })),
  );
  return lines.join('\n');
}

/** What an import did, for scripts. */
export function importJson({ error, ...result }: RunResult & { error?: unknown }): unknown {
  return { ...result, ...(error === undefined ? {} : { error: messageOf(error) }) };
}

/** Prints what an import did, for people. */
export function importText(output: Output, { mirror, outcome, report, ...times }: RunResult): void {
  const { bundle } = report;
  for (const { count: times, reason, example } of report.skipped) {
    output.note(`${mirror}: skipped ${times}: ${reason} (such as ${example})`);
  }
  for (const { product, version, error } of report.failed) output.warning(`${product} ${version}: ${error}`);
  for (const { alias, owner } of report.aliases.withheld) {
    output.warning(`alias ${alias} was left out: it points to a product of ${owner}`);
  }
  for (const warning of report.warnings) output.warning(warning);
  if (bundle === undefined) return;
  for (const { name, problems } of bundle.volumes) output.warning(`${name}: ${problems.join('; ')}`);
  const seconds = (times.finishedAt.getTime() - times.startedAt.getTime()) / 1000;
  const did = [
    `${count(report.added, 'version')} added`,
    `${report.kept} kept`,
    `${report.retired} retired`,
    ...(report.failures > 0 ? [`${report.failures} failed`] : []),
    ...(bundle.waiting.versions > 0 ? [`${bundle.waiting.versions} waiting`] : []),
  ].join(', ');
  output.line(
    outcome === 'unchanged'
      ? `${mirror}: bundle ${bundle.sequence} was imported before: nothing changed`
      : `${mirror}: bundle ${bundle.sequence}: ${did}; ${humanSize(report.fetched)} stored in ${humanDuration(seconds)}`,
  );
  const rest = [...waitingLines(bundle.waiting), ...requestLines(bundle.site, bundle.requests)];
  for (const line of rest) output.line(line);
}

/** The error of an import after which something is missing. */
export function incompleteImport({ mirror, report }: RunResult): HeadwaterError {
  const { failures, bundle } = report;
  const problems = [
    ...(failures > 0 ? [`${count(failures, 'version')} failed`] : []),
    ...(bundle !== undefined && bundle.waiting.versions > 0
      ? [
          `${count(bundle.waiting.versions, 'version')} ${bundle.waiting.versions === 1 ? 'lacks' : 'lack'} files`,
        ]
      : []),
  ];
  return new HeadwaterError('unavailable', `mirror ${mirror} is incomplete: ${problems.join(', and ')}`);
}

function waitingLines(waiting: Waiting, prefix = ''): string[] {
  return waiting.versions === 0 ? [] : [prefix + waitingText(waiting)];
}

function requestLines(site: string, requests: readonly string[]): string[] {
  if (requests.length === 0) return [];
  return [`At ${site}, run:`, ...requests.map((request) => `  ${request}`)];
}

function listed(title: string, versions: readonly string[]): string[] {
  const rest = versions.length - maxListed;
  return [
    ...versions.slice(0, maxListed).map((version) => `${title}  ${version}`),
    ...(rest > 0 ? [`… and ${rest} more (--json lists all)`] : []),
  ];
}

function signature(signedBy: string | undefined): string {
  return signedBy === undefined ? 'signature not checked' : `signed by ${signedBy}`;
}

function sizeOf(blobs: Iterable<{ size: number }>): number {
  return [...blobs].reduce((sum, { size }) => sum + size, 0);
}
