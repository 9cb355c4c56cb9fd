import { parseSerial, serialOf } from '../catalog/names.ts';
import { HeadwaterError } from '../errors.ts';

/**
 * The serial of a version of an upstream, by the version's name: what `parseSerial` reads, and a day with a counter
 * (`20231211.1`), which becomes a minute of that day, so that the order stays.
 * @returns undefined when the name has no date in it, and clients would not take it either
 */
export function serialFromUpstream(name: string): string | undefined {
  const [, day, counter] = /^(\d{8})\.(\d{1,4})$/.exec(name) ?? [];
  if (day === undefined) return attempt(name);
  const midnight = attempt(day);
  const minutes = Number(counter);
  if (midnight === undefined || minutes >= 24 * 60) return undefined;
  return serialOf(new Date(timeOfSerial(midnight).getTime() + minutes * 60_000));
}

/** The moment that a serial names. */
export function timeOfSerial(serial: string): Date {
  const [, year, month, day, hour, minute] = /^(\d{4})(\d{2})(\d{2})_(\d{2})(\d{2})$/.exec(serial) ?? [];
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:00Z`);
}

function attempt(name: string): string | undefined {
  try {
    return parseSerial(name);
  } catch (error) {
    if (error instanceof HeadwaterError) return undefined;
    throw error;
  }
}
