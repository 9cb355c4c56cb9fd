import { compareText } from '../../model/compare.ts';
import { isDay, readSerial, serialAt } from '../../model/names.ts';

const minutesOfDay = 24 * 60;

/**
 * The serial of a version of an upstream, by the version's name alone.
 * @returns undefined when the name is no serial by itself
 */
export function serialFromUpstream(name: string): string | undefined {
  const parts = readSerial(name);
  return parts === undefined ? undefined : serialAt(parts.day, parts.minute);
}

/** Whether clients accept a version of this name: they read only a date from its first eight characters. */
export function isVersionName(name: string): boolean {
  return isDay(name.slice(0, 8)) && /^[\x21-\x7e]{8,100}$/.test(name);
}

/** The place of a name in the order of an upstream's versions. */
interface Place {
  name: string;
  day: string;
  /** Of the day; a counter may have more than the day has. */
  minute: number;
  second: number;
}

const naturalOrder = new Intl.Collator('en', { numeric: true });

function placeOf(name: string): Place {
  const day = name.slice(0, 8);
  // Of a name with more behind its time or counter (`20260131_0524_1`), what can be read decides.
  for (let text = name; text.length >= 8; text = text.slice(0, -1)) {
    const counter = /^\d{8}\.(\d{1,9})$/.exec(text)?.[1];
    if (counter !== undefined) return { name, day, minute: Number(counter), second: 0 };
    const parts = readSerial(text);
    if (parts !== undefined) return { name, day, minute: parts.minute, second: parts.second };
  }
  return { name, day, minute: 0, second: 0 };
}

function compare(one: Place, other: Place): number {
  return (
    compareText(one.day, other.day) ||
    one.minute - other.minute ||
    one.second - other.second ||
    naturalOrder.compare(one.name, other.name) ||
    compareText(one.name, other.name)
  );
}

/** The order of two names of versions ({@link isVersionName}), the older one first. */
export function compareVersionNames(one: string, other: string): number {
  return compare(placeOf(one), placeOf(other));
}

/**
 * Gives the versions of a product serials in the order of their names, each one of its own, on the day that its name says:
 * the minute that the name says, or the nearest one that is free.
 * @param names of versions ({@link isVersionName})
 * @param known serials that were given before, by name: they stay, also those of versions that the upstream has no more
 * @returns by name; a name between two that are known is left out where there is no minute between theirs
 */
export function assignSerials(
  names: Iterable<string>,
  known: ReadonlyMap<string, string> = new Map(),
): Map<string, string> {
  const days = new Map<string, Place[]>();
  const wanted = new Set(names);
  for (const name of new Set([...wanted, ...known.keys()])) {
    const place = placeOf(name);
    days.set(place.day, [...(days.get(place.day) ?? []), place]);
  }
  const serials = new Map<string, string>();
  for (const [day, places] of days) {
    const given = (place: Place) => {
      const serial = known.get(place.name);
      return serial?.startsWith(day) === true ? (readSerial(serial)?.minute ?? undefined) : undefined;
    };
    let run: Place[] = [];
    let before = -1;
    const fill = (after: number) => {
      for (const [name, minute] of minutesFor(run, before, after)) serials.set(name, serialAt(day, minute));
      run = [];
    };
    for (const place of places.sort(compare)) {
      const minute = given(place);
      if (minute === undefined) {
        run.push(place);
        continue;
      }
      serials.set(place.name, serialAt(day, minute));
      fill(minute);
      before = Math.max(before, minute);
    }
    fill(minutesOfDay);
  }
  return new Map([...serials].filter(([name]) => wanted.has(name)));
}

/** Minutes between two others, in order; where there are too few, the newest have them. */
function minutesFor(run: readonly Place[], before: number, after: number): [string, number][] {
  const room = Math.max(0, after - before - 1);
  const fit = room === 0 ? [] : run.slice(-room);
  const minutes: number[] = [];
  for (const { minute } of fit) minutes.push(Math.max(minute, (minutes.at(-1) ?? before) + 1));
  let last = after - 1;
  for (let index = minutes.length - 1; index >= 0; index--) {
    minutes[index] = Math.min(minutes[index] ?? last, last);
    last = (minutes[index] ?? last) - 1;
  }
  return fit.map(({ name }, index) => [name, minutes[index] ?? before]);
}

/** Serials of held versions, by their names upstream. */
export interface HeldName {
  serial: string;
  /** Undefined where it was not noted, as of versions from before names were. */
  name: string | undefined;
}

/** The existing serials of a product's versions, for {@link assignSerials}. */
export function knownSerials(held: readonly HeldName[], names: readonly string[]): Map<string, string> {
  const known = new Map<string, string>();
  const bySerial = new Map<string, string>();
  for (const name of [...names].sort()) {
    const serial = serialFromUpstream(name);
    if (serial !== undefined && !bySerial.has(serial)) bySerial.set(serial, name);
  }
  for (const { serial, name } of held) {
    if (name !== undefined) known.set(name, serial);
  }
  for (const { serial, name } of held) {
    const likely = bySerial.get(serial);
    if (name === undefined) known.set(likely !== undefined && !known.has(likely) ? likely : serial, serial);
  }
  return known;
}
