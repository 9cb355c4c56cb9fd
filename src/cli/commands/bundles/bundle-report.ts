import type { OpenBundle } from '../../../bundle/verify/open-bundle.ts';
import type { BundleReport } from '../../../bundle/verify/verify.ts';
import { humanSize } from '../../view/human.ts';

/** Lost versions that are named. */
const maxNamed = 20;

/** What a bundle contains, for people. */
export function contentText({ content, signedBy, identity }: OpenBundle): string {
  const { site, to, sequence, created, label, volumes, carried, assumed, versions } = content;
  const { withdrawn = [] } = content;
  const lines: [string, string][] = [
    ['from', site],
    ['to', to],
    ['number', String(sequence)],
    ['created', created],
    ['signed by', signedBy ?? 'not checked'],
    ['manifest', `sha256:${identity}`],
    ['volumes', String(volumes.count)],
    ['versions', String(versions.length)],
    ['carried', `${carried.length} files, ${humanSize(volumes.bytes)}`],
    ['sent before', `${assumed.length} files`],
  ];
  if (withdrawn.length > 0) lines.push(['withdrawn', String(withdrawn.length)]);
  if (label !== undefined) lines.splice(4, 0, ['label', label]);
  return lines.map(([name, value]) => `${`${name}:`.padEnd(14)}${value}`).join('\n');
}

/** What a bundle was found to be, for people. */
export function reportText(report: BundleReport): string {
  const { volumes, problems, lost, incomplete, bundle } = report;
  const lines = [...problems, ...volumes.map(({ name, problems: found }) => `${name}: ${found.join('; ')}`)];
  if (lost.length > 0) {
    const bytes = lost.reduce((sum, { size }) => sum + size, 0);
    lines.push(`${lost.length} files (${humanSize(bytes)}) are damaged or missing. They belong to:`);
    lines.push(...incomplete.slice(0, maxNamed).map((version) => `  ${version}`));
    if (incomplete.length > maxNamed) lines.push(`  and ${incomplete.length - maxNamed} more versions`);
  }
  return [contentText(bundle), ...(lines.length === 0 ? ['Every byte is right.'] : lines)].join('\n');
}

/** The same for scripts. */
export function reportJson({ bundle, volumes, problems, lost, incomplete }: BundleReport): unknown {
  const { site, to, sequence } = bundle.content;
  return {
    ...{ site, to, sequence, identity: bundle.identity, signedBy: bundle.signedBy ?? null },
    ...{ volumes, problems, lost, incomplete },
  };
}
