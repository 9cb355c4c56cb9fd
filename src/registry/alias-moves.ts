import { setTimeout as sleep } from 'node:timers/promises';
import type { Identity } from '../access/access.ts';
import { ExpiringMap } from '../async/expiring-map.ts';

/** How long requests for an alias that was removed wait for it to be created again, in milliseconds. */
const aliasMoveTimeout = 2000;
/** How often these requests look for the alias, in milliseconds. */
const pollInterval = 25;

/**
 * Hides that an alias is missing while a client moves it: clients remove the alias and create it again. For the client
 * that removed the alias, it is missing at once; requests of all others wait for a moment.
 */
export class AliasMoves {
  /** The identity that removed each alias. */
  readonly #removedBy = new ExpiringMap<string, string>(aliasMoveTimeout);

  /** Records that `identity` removed an alias. */
  note(name: string, identity: Identity): void {
    this.#removedBy.set(name, keyOf(identity));
  }

  /**
   * The result of `find`, after another client's move of the alias if one is in progress; undefined when it does not
   * end in time.
   */
  async settled<Found>(
    name: string,
    identity: Identity,
    find: () => Promise<Found | undefined>,
  ): Promise<Found | undefined> {
    for (;;) {
      const alias = await find();
      const removedBy = this.#removedBy.get(name);
      if (alias !== undefined || removedBy === undefined || removedBy === keyOf(identity)) return alias;
      await sleep(pollInterval);
    }
  }
}

function keyOf(identity: Identity): string {
  return identity === undefined ? '' : `${identity.kind} ${identity.id}`;
}
