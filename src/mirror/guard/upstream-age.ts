import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { defined } from '../../model/defined.ts';
import { type AcceptedDocuments, newestDate, shownTime } from './accepted-documents.ts';

/** How old the documents of an upstream are, whenever they were read. */
export interface UpstreamAge {
  /** The newest date of the documents that were followed: of a change or a signature. Absent where they have none. */
  upstreamUpdated?: Date;
  /** Seconds since then. */
  upstreamAge?: number;
  /** Seconds after which the upstream is stale. */
  upstreamMaxAge?: number;
  /** Whether the mirror is enabled and the documents are older than that. */
  upstreamStale: boolean;
}

/** Computes the age of an upstream. @param accepted undefined before its documents were first followed */
export function upstreamAge(
  { enabled, upstreamMaxAge }: Pick<MirrorDefinition, 'enabled' | 'upstreamMaxAge'>,
  accepted: AcceptedDocuments | undefined,
  now: Date,
): UpstreamAge {
  const newest = accepted === undefined ? undefined : newestDate(accepted);
  // A clock of the upstream may be ahead by a little.
  const age = newest === undefined ? undefined : Math.max(0, now.getTime() - newest.getTime());
  return {
    ...defined({
      upstreamUpdated: newest,
      upstreamAge: age === undefined ? undefined : Math.round(age / 1000),
      upstreamMaxAge: upstreamMaxAge === undefined ? undefined : Math.round(upstreamMaxAge / 1000),
    }),
    upstreamStale: enabled && age !== undefined && upstreamMaxAge !== undefined && age > upstreamMaxAge,
  };
}

/** What a run warns of about the age of its upstream. */
export function ageWarnings(
  definition: Pick<MirrorDefinition, 'name' | 'upstreamMaxAge'>,
  accepted: AcceptedDocuments | undefined,
  now = new Date(),
): string[] {
  const { name, upstreamMaxAge } = definition;
  if (upstreamMaxAge === undefined) return [];
  const { upstreamUpdated, upstreamStale } = upstreamAge({ enabled: true, upstreamMaxAge }, accepted, now);
  if (upstreamUpdated === undefined) {
    return [`${name}: the upstream's documents have no date, so that upstreamMaxAge has no effect`];
  }
  if (!upstreamStale) return [];
  const time = shownTime(upstreamUpdated);
  return [`${name}: the upstream's newest document is of ${time}, older than upstreamMaxAge`];
}
