import { timeOfSerial } from '../../model/names.ts';

/** The key `keep` of a definition. */
export interface Keep {
  /** How many of the newest versions of a product are kept. */
  versions?: number;
  /** Milliseconds since the time in the serial. */
  age?: number;
  /** What to do with versions that the upstream removed. */
  removed: 'keep' | 'retire';
}

/** The rules that decide which versions stay. */
export interface Terms {
  keep: Keep;
  now: Date;
  /** Whether all that is offered is known: only then is a version that is not offered really gone. */
  isComplete: boolean;
}

/** The serials of one product, by where the versions are. */
export interface Serials {
  /** Offered by the upstream, and selected. */
  offered: ReadonlySet<string>;
  /** Listed here. */
  held: ReadonlySet<string>;
  /** Listed versions whose files we store. The others can be fetched only while the upstream has them. */
  stored: ReadonlySet<string>;
}

/**
 * The serials of a product to keep: the newest ones within `keep`, offered or stored. The newest version that the upstream
 * offers stays whatever its age: an upstream that stops building must not empty its mirrors.
 */
export function wantedSerials(
  { offered, held, stored }: Serials,
  { keep, now, isComplete }: Terms,
): Set<string> {
  const candidates = [...new Set([...offered, ...held])]
    .filter((serial) => offered.has(serial) || !isComplete || (keep.removed === 'keep' && stored.has(serial)))
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
 * The held serials to retire now: those outside `keep`, once enough newer versions are stored. A version that could not
 * be fetched replaces nothing. A version that the upstream removed before it was fetched is retired in any case,
 * because clients cannot download it.
 */
export function retiredSerials(serials: Serials, terms: Terms): string[] {
  const { offered, held, stored } = serials;
  const here = new Set([...offered].filter((serial) => held.has(serial)));
  const wanted = wantedSerials({ offered: here, held, stored }, terms);
  const retired = [...held].filter((serial) => !wanted.has(serial)).sort();
  if (retired.length < held.size || offered.size === 0) return retired;
  // A product that loses all versions while one is offered would be gone until that one can be fetched.
  const spared = retired.findLast((serial) => stored.has(serial) || !terms.isComplete);
  return retired.filter((serial) => serial !== spared);
}
