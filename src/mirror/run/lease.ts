import { HeldLease } from '../../catalog/held-lease.ts';
import type { Mirrors } from '../../catalog/mirrors/mirrors.ts';

/**
 * Takes the right to run a mirror. One process has it at a time.
 * @param renewInterval milliseconds between renewals
 * @throws HeadwaterError `conflict` while another run has it
 */
export async function takeMirrorLease(
  mirrors: Mirrors,
  mirror: string,
  renewInterval?: number,
): Promise<HeldLease> {
  return await HeldLease.take(
    {
      lease: () => mirrors.lease(mirror),
      acquire: (lease, options) => mirrors.acquire(mirror, lease, options),
      renew: (lease) => mirrors.renew(mirror, lease),
      release: (holder) => mirrors.release(mirror, holder),
    },
    {
      held: `mirror ${mirror} is running already: wait for that run, or stop it ("headwater mirror status ${mirror}" shows it)`,
      takenOver: `mirror ${mirror} was taken over by another process`,
      renewInterval,
    },
  );
}
