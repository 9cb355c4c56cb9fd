import { HeadwaterError } from '../../errors.ts';

// Reads documents of other programs: JSON, or YAML without types. Every reader throws `invalid` with the place of what
// is wrong; what is absent or null is undefined.

export type Untyped = Record<string, unknown>;

export function isMapping(value: unknown): value is Untyped {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A mapping; an absent one is empty. */
export function mapping(value: unknown, where: string): Untyped {
  if (value === undefined || isNull(value)) return {};
  if (!isMapping(value)) throw wrong(where, 'a mapping', value);
  return value;
}

/** A list; an absent one is empty. */
export function list(value: unknown, where: string): unknown[] {
  if (value === undefined || isNull(value)) return [];
  if (!Array.isArray(value)) throw wrong(where, 'a list', value);
  return value;
}

/** A text field of a mapping. Empty text counts as absent. */
export function text(fields: Untyped, key: string, where: string): string | undefined {
  const value = fields[key];
  if (value === undefined || isNull(value)) return undefined;
  if (typeof value !== 'string') throw wrong(`${where}.${key}`, 'text', value);
  return value;
}

/** A list of texts in a field of a mapping. */
export function texts(fields: Untyped, key: string, where: string): string[] {
  return list(fields[key], `${where}.${key}`).map((value, index) => {
    if (typeof value !== 'string') throw wrong(`${where}.${key}[${index}]`, 'text', value);
    return value;
  });
}

/** A mapping to plain values, as texts: clients expect this of `requirements`. */
export function textMapping(value: unknown, where: string): Map<string, string> {
  const result = new Map<string, string>();
  for (const [key, field] of Object.entries(mapping(value, where))) {
    if (isNull(field)) result.set(key, '');
    else if (typeof field === 'object') throw wrong(`${where}.${key}`, 'text', field);
    else result.set(key, String(field));
  }
  return result;
}

// YAML read without types gives its null as it was written: `~`, `null` or nothing.
function isNull(value: unknown): boolean {
  return value === null || value === '' || value === '~' || value === 'null';
}

function wrong(where: string, expected: string, value: unknown): HeadwaterError {
  const description = Array.isArray(value)
    ? 'a list'
    : typeof value === 'object'
      ? 'a mapping'
      : JSON.stringify(value);
  return new HeadwaterError('invalid', `${where}: expected ${expected}, not ${description?.slice(0, 80)}`);
}
