import type { HeldLease } from '../../catalog/held-lease.ts';
import { maxFindingsKept, type ScrubRound } from '../../catalog/storage/scrubs.ts';
import { messageOf } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import type { WrongFingerprint } from '../verify/fingerprints.ts';
import { type LostBlob, verifyHeld } from '../verify/verify.ts';
import type { VerifyServices } from '../verify/verify-services.ts';
import type { Pace } from './pace.ts';

/** How often the position is recorded, in milliseconds. */
const saveInterval = 5000;
/** A blob counts as this many bytes at least, because opening it is work, too. */
const leastBytes = 256 * 1024;
/** How many versions are kept with a lost blob. */
const maxVersionsKept = 10;

/** Receives the findings of a scrub. */
interface RoundHooks {
  onLost(blob: LostBlob): void;
  onWrongFingerprint(image: WrongFingerprint): void;
  /** Its state in the catalog has changed. */
  onSaved(): Promise<void>;
}

/**
 * Reads the blobs that a scrub has not read yet. Records its position every few seconds, and each finding at once.
 * @param options.stopping interrupts it
 * @returns the completed scrub, or the one that cannot continue, with its `problem`; undefined when it was interrupted
 */
export async function runRound(
  services: VerifyServices,
  from: ScrubRound,
  { lease, stopping, pace }: { lease: HeldLease; stopping: AbortSignal; pace: Pace },
  hooks: RoundHooks,
): Promise<ScrubRound | undefined> {
  const { scrubs } = services.catalog;
  const signal = AbortSignal.any([stopping, lease.lost]);
  const { problem: _, reading: __, ...round } = { ...from, wrong: [...from.wrong], lost: [...from.lost] };
  let savedAt = performance.now();
  let hasNews = false;
  /** Bytes of the blob that is being read. */
  let reading = 0;
  const isSaveDue = () => performance.now() - savedAt > saveInterval;
  const save = async (problem?: string) => {
    savedAt = performance.now();
    hasNews = false;
    await lease.assertHeld();
    await scrubs.save({ ...round, ...(reading > 0 ? { reading } : {}), ...defined({ problem }) });
    await hooks.onSaved();
  };
  try {
    await verifyHeld(services, {
      read: true,
      repair: true,
      after: round.after,
      pace: async (bytes) => {
        reading += bytes;
        await pace.passed(bytes, signal);
        if (isSaveDue()) await save();
      },
      onLost: (blob) => {
        hasNews = true;
        round[blob.state] += 1;
        const versions = blob.versions.slice(0, maxVersionsKept);
        if (round.lost.length < maxFindingsKept) round.lost.push({ ...blob, versions });
        hooks.onLost(blob);
      },
      onWrongFingerprint: (image) => {
        hasNews = true;
        round.fingerprints += 1;
        if (round.wrong.length < maxFindingsKept) round.wrong.push(image);
        hooks.onWrongFingerprint(image);
      },
      onChecked: async ({ digest, size }) => {
        round.after = digest;
        round.blobs += 1;
        round.bytes += size;
        reading = 0;
        if (hasNews || isSaveDue()) await save();
        await pace.passed(Math.max(0, leastBytes - size), signal);
      },
    });
    await lease.assertHeld();
    const finished = await scrubs.finish(round);
    await hooks.onSaved();
    return finished;
  } catch (error) {
    if (lease.lost.aborted) return undefined;
    if (stopping.aborted) {
      await save();
      return undefined;
    }
    const problem = messageOf(error);
    await save(problem);
    return { ...round, problem };
  }
}
