import type { Scalar } from 'yaml';

// How gopkg.in/yaml.v2 (2.4, resolve.go) decides what type a scalar has. It differs from YAML 1.2 in many ways: `yes` is a boolean,
// `017` is octal, and `"1"` is no number.

/** A value has a type that Go cannot read. The message names the field. */
export class TypeMismatch extends Error {}

/** A scalar with the type that Go gives it. */
export type Resolved =
  | { type: 'null' }
  | { type: 'text'; value: string }
  | { type: 'whole number'; value: bigint }
  | { type: 'number'; value: number }
  | { type: 'boolean'; value: boolean };

const booleans = new Map([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map(
    (word) => [word, true] as const,
  ),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map(
    (word) => [word, false] as const,
  ),
]);
const nulls = new Set(['', '~', 'null', 'Null', 'NULL']);
const notNumbers = new Map([
  ...['.nan', '.NaN', '.NAN'].map((word) => [word, Number.NaN] as const),
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map(
    (word) => [word, Number.POSITIVE_INFINITY] as const,
  ),
  ...['-.inf', '-.Inf', '-.INF'].map((word) => [word, Number.NEGATIVE_INFINITY] as const),
]);

export const tagPrefix = 'tag:yaml.org,2002:';
export const maxInt64 = 2n ** 63n - 1n;
export const minInt64 = -(2n ** 63n);

/** A scalar as it was written, without its quotes. */
export function written(scalar: Scalar): string {
  return typeof scalar.value === 'string' ? scalar.value : (scalar.source ?? '');
}

/** @throws TypeMismatch if its tag does not match it */
export function resolve(scalar: Scalar, where: string): Resolved {
  const text = written(scalar);
  const { tag } = scalar;
  if (tag === undefined) return scalar.type === 'PLAIN' ? resolvePlain(text) : { type: 'text', value: text };
  switch (tag.startsWith(tagPrefix) ? tag.slice(tagPrefix.length) : undefined) {
    case 'binary':
      return { type: 'text', value: fromBase64(text, where) };
    case 'int':
      return expectType(resolvePlain(text), ['whole number'], where, tag);
    case 'bool':
      return expectType(resolvePlain(text), ['boolean'], where, tag);
    case 'null':
      return expectType(resolvePlain(text), ['null'], where, tag);
    case 'float': {
      const resolved = expectType(resolvePlain(text), ['whole number', 'number'], where, tag);
      return resolved.type === 'whole number' ? { type: 'number', value: Number(resolved.value) } : resolved;
    }
    case 'timestamp':
      if (!/^\d{4}-\d{1,2}-\d{1,2}/.test(text)) throw mismatch(where, `no ${tag}`, 'a date');
      return { type: 'text', value: text };
    default:
      return { type: 'text', value: text };
  }
}

function expectType(resolved: Resolved, types: Resolved['type'][], where: string, tag: string): Resolved {
  if (types.includes(resolved.type)) return resolved;
  throw mismatch(where, resolved.type, `what its tag !!${tag.slice(tagPrefix.length)} says`);
}

function fromBase64(text: string, where: string): string {
  const packed = text.replaceAll(/[\r\n]/g, '');
  const bytes = Buffer.from(packed, 'base64');
  if (bytes.toString('base64') !== packed) throw mismatch(where, 'not base64', 'what its tag !!binary says');
  return bytes.toString('utf8');
}

function resolvePlain(text: string): Resolved {
  if (nulls.has(text)) return { type: 'null' };
  const boolean = booleans.get(text);
  if (boolean !== undefined) return { type: 'boolean', value: boolean };
  const notNumber = notNumbers.get(text);
  if (notNumber !== undefined) return { type: 'number', value: notNumber };
  return resolveNumber(text) ?? { type: 'text', value: text };
}

function resolveNumber(text: string): Resolved | undefined {
  if (!/^[-+.\d]/.test(text)) return undefined;
  const plain = text.startsWith('.') ? text : text.replaceAll('_', '');
  const integer = text.startsWith('.') ? undefined : parseInteger(plain);
  if (integer !== undefined) return { type: 'whole number', value: integer };
  if (!/^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$/.test(plain)) return undefined;
  const value = Number(plain);
  return Number.isFinite(value) ? { type: 'number', value } : undefined;
}

/** `strconv.ParseInt` and `ParseUint` with base 0: 0x, 0o, 0b and a leading 0 for octal. */
function parseInteger(text: string): bigint | undefined {
  const [, sign, octal, digits] =
    /^([-+]?)(?:0[oO]?([0-7]+)|(0[xX][0-9a-fA-F]+|0[bB][01]+|[1-9]\d*|0))$/.exec(text) ?? [];
  if (sign === undefined) return undefined;
  const value = octal === undefined ? BigInt(digits ?? '0') : BigInt(`0o${octal}`);
  const signed = sign === '-' ? -value : value;
  // A text with a sign is not an unsigned number.
  return signed < minInt64 || signed > (sign === '' ? 2n ** 64n - 1n : maxInt64) ? undefined : signed;
}

export function mismatch(where: string, actual: string, expected: string): TypeMismatch {
  return new TypeMismatch(`${where} is ${actual}: expected ${expected}`);
}
