import { mirrorOf } from '../../catalog/products/ownership.ts';
import { inStream } from '../../model/names.ts';
import type { WrongFingerprint } from '../../ops/verify/fingerprints.ts';
import type { LostBlob, NamedIn, VerifyReport } from '../../ops/verify/verify.ts';
import { humanSize } from './human.ts';

/** How many versions a line names. */
const maxNamed = 3;

export function lostLine({ digest, size, state, problem, versions }: LostBlob): string {
  const names = [...new Set(versions.map(nameOf))];
  const where =
    names.length === 0
      ? 'in no version'
      : `in ${names.slice(0, maxNamed).join(', ')}${names.length > maxNamed ? `, and ${names.length - maxNamed} more` : ''}`;
  return `${state}: blob sha256:${digest} (${humanSize(size)}), ${where}: ${problem}`;
}

export function fingerprintLine(image: WrongFingerprint): string {
  return `wrong fingerprint: ${nameOf(image)} is listed as ${image.claimed}, but its bytes have ${image.computed}`;
}

/** What was checked and found, in one sentence. */
export function summaryOf(
  { blobs, bytes, lost, fingerprints }: VerifyReport,
  { read }: { read: boolean },
): string {
  const checked = `${blobs} blobs (${humanSize(bytes)}) ${read ? 'read' : 'looked up'}`;
  const count = (state: LostBlob['state']) => lost.filter((blob) => blob.state === state).length;
  return `${checked}: ${count('damaged')} damaged, ${count('missing')} missing, ${fingerprints.length} wrong fingerprints`;
}

/** What to do about it. */
export function nextSteps(
  { lost, fingerprints }: VerifyReport,
  { read, repair }: { read: boolean; repair: boolean },
): string[] {
  const isDamaged = lost.some(({ state }) => state === 'damaged');
  if (!repair && (isDamaged || fingerprints.length > 0)) {
    const flags = read ? '--read --repair' : '--repair';
    return [
      `next: run "headwater verify ${flags}": it sets damaged blobs aside, so that requests for them get 503 and no wrong bytes, and lists images under their right fingerprints`,
    ];
  }
  const versions = lost.flatMap((blob) => blob.versions);
  const mirrors = [...new Set(versions.flatMap(({ owner }) => mirrorOf(owner) ?? []))].sort();
  const others = versions.filter(({ owner }) => mirrorOf(owner) === undefined);
  const names = [...new Set(others.map(nameOf))];
  return [
    ...mirrors.map(
      (name) => `next: run "headwater mirror run ${name} --force": it fetches the lost files again`,
    ),
    ...(names.length === 0
      ? []
      : [`next: publish or push these from the same files again, or remove them: ${names.join(', ')}`]),
  ];
}

function nameOf({ stream, product, serial }: Pick<NamedIn, 'stream' | 'product' | 'serial'>): string {
  return `${inStream(stream, product)}@${serial}`;
}
