import { timeOfSerial } from '../../model/names.ts';

/** What `keep` of a definition says. */
export interface Keep {
  /** The newest so many of a product. */
  versions?: number;
  /** Milliseconds since the moment that the serial names. */
  age?: number;
  /** What happens to versions that the upstream removed. */
  removed: 'keep' | 'retire';
}

/** What decides which versions stay. */
export interface Terms {
  keep: Keep;
  now: Date;
  /** Whether it is known what is offered: only then is gone what is not. */
  whole: boolean;
}

/** The serials of one product, by where they are. */
export interface Serials {
  /** By the upstream, and selected. */
  offered: ReadonlySet<string>;
  /** Listed here. */
  held: ReadonlySet<string>;
  /** Of those listed here, the ones whose bytes are here: the others live by the upstream's grace. */
  stored: ReadonlySet<string>;
}

/**
 * The serials of a product that shall be here: the newest ones within `keep`, be they offered or stored. The newest
 * that the upstream offers stays whatever its age: an upstream that builds no more must not empty its mirrors.
 */
export function wantedSerials({ offered, held, stored }: Serials, { keep, now, whole }: Terms): Set<string> {
  const candidates = [...new Set([...offered, ...held])]
    .filter((serial) => offered.has(serial) || !whole || (keep.removed === 'keep' && stored.has(serial)))
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
 * fetched replaces nothing. What the upstream removed before it was fetched goes in any case: nobody can have it.
 */
export function retiredSerials(serials: Serials, terms: Terms): string[] {
  const { offered, held, stored } = serials;
  const here = new Set([...offered].filter((serial) => held.has(serial)));
  const wanted = wantedSerials({ offered: here, held, stored }, terms);
  const retired = [...held].filter((serial) => !wanted.has(serial)).sort();
  if (retired.length < held.size || offered.size === 0) return retired;
  // A product that loses all it has while something of it is offered would be gone until that can be fetched.
  const spared = retired.findLast((serial) => stored.has(serial) || !terms.whole);
  return retired.filter((serial) => serial !== spared);
}
