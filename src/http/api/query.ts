import { HeadwaterError } from '../../errors.ts';
import type { Context } from '../context.ts';

/** A parameter of the query; the first where it is given several times. */
export function single(context: Context, name: string): string | undefined {
  const value = context.query[name];
  return Array.isArray(value) ? value[0] : value;
}

/**
 * A parameter that is set by `1`, and not set by `0` or when it is missing.
 * @throws HeadwaterError `invalid`
 */
export function flag(context: Context, name: string): boolean {
  return wholeNumber(context, name, { min: 0, max: 1 }) === 1;
}

/**
 * A parameter that is a whole number.
 * @throws HeadwaterError `invalid`
 */
export function wholeNumber(
  context: Context,
  name: string,
  range: { min: number; max: number },
): number | undefined {
  const text = single(context, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= range.min && value <= range.max) return value;
  throw new HeadwaterError(
    'invalid',
    `${name} ${JSON.stringify(text)}: expected a whole number from ${range.min} to ${range.max}`,
    { fields: [name] },
  );
}
