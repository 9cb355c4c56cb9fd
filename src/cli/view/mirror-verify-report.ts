import type { CheckedVersion, Verdict } from '../../mirror/evidence/verify-mirror.ts';
import { inStream } from '../../model/names.ts';

/** The result of a check of a mirror. */
export interface MirrorCheck {
  mirror: string;
  read: boolean;
  repair: boolean;
  versions: readonly CheckedVersion[];
  /** Versions that were damaged or missing, and are whole after a repair. */
  repaired: number;
  /** Why the run of a repair failed. */
  problem?: string;
}

/** How many versions a line names. */
const maxNamed = 3;

export function verdictLine({ result, expired, reasons, ...version }: CheckedVersion): string {
  const why = expired === undefined ? reasons.join('; ') : expired;
  const what = expired === undefined ? result : `${result} (key expired since)`;
  return `${what}: ${nameOf(version)}${why === '' ? '' : `: ${why}`}`;
}

/** How many versions have each result. */
export function verdictCounts(versions: readonly CheckedVersion[]): Record<Verdict, number> {
  const counts = { proven: 0, site: 0, unproven: 0, damaged: 0, missing: 0 };
  for (const { result } of versions) counts[result] += 1;
  return counts;
}

/** What was checked and found, in one sentence. */
export function mirrorSummary({ mirror, read, versions, repaired }: MirrorCheck): string {
  const counts = Object.entries(verdictCounts(versions)).filter(([, count]) => count > 0);
  const expired = versions.filter((version) => version.expired !== undefined).length;
  const found = counts.map(([verdict, count]) =>
    verdict === 'proven' && expired > 0
      ? `${count} proven (${expired} key expired since)`
      : `${count} ${verdict}`,
  );
  const fixed = repaired > 0 ? `, ${repaired} repaired` : '';
  const how = read ? 'files read' : 'files looked up';
  return `mirror ${mirror}: ${versions.length} versions, ${how}: ${found.join(', ') || 'nothing to check'}${fixed}`;
}

/** What to do about it. */
export function mirrorNextSteps({ mirror, read, repair, versions, problem }: MirrorCheck): string[] {
  const lost = versions.filter(({ isFetchable }) => isFetchable);
  const wrong = versions.filter(({ result, isFetchable }) => result === 'damaged' && !isFetchable);
  const steps: string[] = [];
  if (lost.length > 0 && !repair) {
    steps.push(
      `next: "headwater mirror verify ${mirror}${read ? ' --read' : ''} --repair" sets damaged files aside and fetches the lost files from the upstream`,
    );
  }
  if (lost.length > 0 && problem !== undefined) {
    steps.push(`next: run "headwater mirror run ${mirror}" again: ${problem}`);
  } else if (lost.length > 0 && repair) {
    steps.push(
      `next: the upstream did not serve these files again: remove ${named(lost)} with "headwater remove", or restore the files from a backup. If the versions came in a bundle, "headwater bundle receipt" makes the next bundle carry them`,
    );
  }
  if (wrong.length > 0) {
    steps.push(
      `next: the catalog contradicts the documents of the upstream for ${named(wrong)}: restore the catalog from a backup, or remove the versions with "headwater remove" and run "headwater mirror run ${mirror} --force"`,
    );
  }
  if (versions.some(({ result, isUnrecorded }) => result === 'unproven' && isUnrecorded)) {
    steps.push(`next: "headwater mirror run ${mirror}" records the documents of versions that have none`);
  }
  return steps;
}

function named(versions: readonly CheckedVersion[]): string {
  const names = versions.map(nameOf);
  const more = names.length > maxNamed ? ` and ${names.length - maxNamed} more` : '';
  return `${names.slice(0, maxNamed).join(', ')}${more}`;
}

function nameOf({ stream, product, serial }: Pick<CheckedVersion, 'stream' | 'product' | 'serial'>): string {
  return `${inStream(stream, product)}@${serial}`;
}
