import { setTimeout as sleep } from 'node:timers/promises';
import type { ScrubRound } from '../../catalog/storage/scrubs.ts';
import { HeadwaterError } from '../../errors.ts';
import { scrubAnswer } from '../../http/api/openapi/admin-answers.ts';
import type { ApiClient } from './api-client.ts';

/** The time between two questions, in milliseconds: first the shorter one, for a small store. */
const delays = { first: 100, longest: 2000 };

/**
 * Begins a scrub on a server, or joins the one that is not finished, and waits for its end.
 * @param onProgress receives its state. May throw to stop waiting; the scrub continues
 * @throws HeadwaterError `conflict` when the server may not set blobs aside; `unavailable` when it cannot be reached
 */
export async function followScrub(
  client: ApiClient,
  onProgress: (progress: { round: ScrubRound; total: number }) => void,
): Promise<ScrubRound> {
  const path = 'storage/scrub';
  const begun = await client.json({ method: 'POST', path }, scrubAnswer);
  const id = begun.round?.startedAt;
  for (let delay = delays.first; ; delay = Math.min(2 * delay, delays.longest)) {
    const { round, last, total } = await client.json({ method: 'GET', path }, scrubAnswer);
    if (last?.startedAt === id && last !== null) return last;
    if (round === null || round.startedAt !== id) {
      throw new HeadwaterError('unavailable', `${client.server}: the scrub of ${id} is not known any more`);
    }
    onProgress({ round, total });
    await sleep(delay);
  }
}
