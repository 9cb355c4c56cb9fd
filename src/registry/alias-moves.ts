import { setTimeout as sleep } from 'node:timers/promises';
import type { Identity } from '../access/access.ts';

/** How long somebody who asks for an alias waits for it to be set anew, in milliseconds, and how often it looks. */
const patience = 2000;
const interval = 25;

/**
 * Makes the moment harmless in which an alias is not there: clients move one by removing it and setting it anew. The
 * client that removed it sees it gone at once; everybody else who asks for it by its name waits a little.
 */
export class AliasMoves {
  readonly #removed = new Map<string, { by: string; at: number }>();

  /** Notes that somebody removed an alias. */
  note(name: string, identity: Identity): void {
    const now = performance.now();
    for (const [other, { at }] of this.#removed) {
      if (at + patience > now) break;
      this.#removed.delete(other);
    }
    this.#removed.delete(name);
    this.#removed.set(name, { by: keyOf(identity), at: now });
  }

  /** What `find` finds, at once or as soon as a move that somebody else has begun is done. */
  async settled<Found>(
    name: string,
    identity: Identity,
    find: () => Promise<Found | undefined>,
  ): Promise<Found | undefined> {
    for (;;) {
      const found = await find();
      const removed = this.#removed.get(name);
      if (found !== undefined || removed === undefined || removed.by === keyOf(identity)) return found;
      if (performance.now() - removed.at > patience) return undefined;
      await sleep(interval);
    }
  }
}

function keyOf(identity: Identity): string {
  return identity === undefined ? '' : `${identity.kind} ${identity.id}`;
}
