import type { MirrorDefinition } from '../config/mirror-schema.ts';
import { timeOfSerial } from './serials.ts';

/** What `keep` of a definition says. */
export type Keep = MirrorDefinition['keep'];

/** The serials of one product, by where they are. */
export interface Serials {
  /** By the upstream, and selected. */
  offered: ReadonlySet<string>;
  /** Here. */
  held: ReadonlySet<string>;
}

/**
 * The serials of a product that shall be here: the newest ones within `keep`, be they offered or held. The newest that
 * the upstream offers stays whatever its age: an upstream that builds no more must not empty its mirrors.
 */
export function wantedSerials({ offered, held }: Serials, keep: Keep, now: Date): Set<string> {
  const candidates = [...new Set([...offered, ...held])]
    .filter((serial) => offered.has(serial) || keep.removed === 'keep')
    .sort()
    .reverse();
  const newestOffered = candidates.find((serial) => offered.has(serial));
  const { age, versions } = keep;
  const young = candidates.filter(
    (serial) =>
      age === undefined || serial === newestOffered || now.getTime() - timeOfSerial(serial).getTime() <= age,
  );
  return new Set(versions === undefined ? young : young.slice(0, versions));
}

/**
 * The held serials to retire now: those outside `keep`, once as many newer ones are really here. What could not be
 * fetched replaces nothing.
 */
export function retiredSerials(serials: Serials, keep: Keep, now: Date): string[] {
  const here = new Set([...serials.offered].filter((serial) => serials.held.has(serial)));
  const wanted = wantedSerials({ offered: here, held: serials.held }, keep, now);
  const retired = [...serials.held].filter((serial) => !wanted.has(serial)).sort();
  // A product that loses all it has while something of it is offered would be gone until that can be fetched.
  const empties = retired.length === serials.held.size && serials.offered.size > 0;
  return empties ? retired.slice(0, -1) : retired;
}
