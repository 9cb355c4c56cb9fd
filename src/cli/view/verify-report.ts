import { mirrorOf } from '../../catalog/products/ownership.ts';
import { inStream } from '../../model/names.ts';
import type { NamedIn } from '../../ops/verify/verify.ts';
import { humanSize } from './human.ts';

/** How many versions a line names. */
const maxNamed = 3;

interface Lost {
  digest: string;
  size: number;
  state: 'missing' | 'damaged';
  problem: string;
  versions: NamedIn[];
}

type Wrong = Omit<NamedIn, 'owner'> & { claimed: string; computed: string };

/** What a check found, here or on a server. */
interface Findings {
  blobs: number;
  bytes: number;
  lost: Lost[];
  fingerprints: Wrong[];
  /** How much was found, if the lists name only the first findings. */
  counts?: { damaged: number; missing: number; fingerprints: number };
}

export function lostLine({ digest, size, state, problem, versions }: Lost): string {
  const names = [...new Set(versions.map(nameOf))];
  const where =
    names.length === 0
      ? 'in no version'
      : `in ${names.slice(0, maxNamed).join(', ')}${names.length > maxNamed ? `, and ${names.length - maxNamed} more` : ''}`;
  return `${state}: blob sha256:${digest} (${humanSize(size)}), ${where}: ${problem}`;
}

export function fingerprintLine(image: Wrong): string {
  return `wrong fingerprint: ${nameOf(image)} is listed as ${image.claimed}, but its bytes have ${image.computed}`;
}

/** What was checked and found, in one sentence. */
export function summaryOf(
  { blobs, bytes, lost, fingerprints, counts }: Findings,
  { read }: { read: boolean },
): string {
  const checked = `${blobs} blobs (${humanSize(bytes)}) ${read ? 'read' : 'looked up'}`;
  const count = (state: Lost['state']) =>
    counts?.[state] ?? lost.filter((blob) => blob.state === state).length;
  const wrong = counts?.fingerprints ?? fingerprints.length;
  return `${checked}: ${count('damaged')} damaged, ${count('missing')} missing, ${wrong} wrong fingerprints`;
}

/** What to do about it. */
export function nextSteps(
  { lost, fingerprints }: Findings,
  { read, repair }: { read: boolean; repair: boolean },
): string[] {
  if (!repair && lost.length + fingerprints.length > 0) {
    const flags = read ? '--read --repair' : '--repair';
    return [
      `next: run "headwater verify ${flags}": it sets damaged blobs aside, so that requests for them get 503 and no wrong bytes, lets mirrors fetch lost files again, and lists images under their right fingerprints`,
    ];
  }
  const versions = lost.flatMap((blob) => blob.versions);
  const mirrors = [...new Set(versions.flatMap(({ owner }) => mirrorOf(owner) ?? []))].sort();
  const others = versions.filter(({ owner }) => mirrorOf(owner) === undefined);
  const names = [...new Set(others.map(nameOf))];
  return [
    ...mirrors.map(
      (name) =>
        `next: the next run of mirror ${name} fetches the lost files again; "headwater mirror run ${name}" runs it now`,
    ),
    ...(names.length === 0
      ? []
      : [`next: publish or push these from the same files again, or remove them: ${names.join(', ')}`]),
  ];
}

function nameOf({ stream, product, serial }: Pick<NamedIn, 'stream' | 'product' | 'serial'>): string {
  return `${inStream(stream, product)}@${serial}`;
}
