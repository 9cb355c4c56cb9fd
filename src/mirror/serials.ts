import { readSerial, serialAt } from '../catalog/names.ts';

/**
 * The serial of a version of an upstream, by the version's name alone.
 * @returns undefined when the name has no date in it
 */
export function serialFromUpstream(name: string): string | undefined {
  const parts = readSerial(name);
  return parts === undefined ? undefined : serialAt(parts.day, parts.minute);
}
