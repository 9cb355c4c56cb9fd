import * as z from 'zod';
import { HeadwaterError, jsonProblem } from '../../errors.ts';
import { describeDamage } from './database-failure.ts';
import type { Tables } from './tables.ts';

// Columns whose values mean more than the database knows. What does not belong there is noticed where it is read.

/** A table and its column, as messages name them. */
type ColumnName = `${keyof Tables}.${string}`;

/** What messages call a row. */
type RowName = string | number;

/**
 * A column that holds JSON. Schemas of objects should be loose, so that a field which they do not name yet is kept.
 * @returns reads the text of a row; `null` is undefined. It throws HeadwaterError `unavailable`, naming table and row, when the
 * text is not what the schema says
 */
export function jsonColumn<Value>(column: ColumnName, schema: z.ZodType<Value>) {
  function read(text: string, row: RowName): Value;
  function read(text: string | null, row: RowName): Value | undefined;
  function read(text: string | null, row: RowName): Value | undefined {
    if (text === null) return undefined;
    const parsed = schema.safeParse(parse(text, column, row));
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    const where = issue?.path.map((key) => `${String(key)}: `).join('') ?? '';
    throw damaged(column, row, `${where}${issue?.message}`);
  }
  return read;
}

/**
 * A column that holds one of some words.
 * @returns checks the text of a row as {@link jsonColumn} does
 */
export function wordColumn<Word extends string>(column: ColumnName, words: readonly Word[]) {
  const known = new Map<string, Word>(words.map((word) => [word, word]));
  return (text: string, row: RowName): Word => {
    const word = known.get(text);
    if (word === undefined) throw damaged(column, row, `${JSON.stringify(text)} is not known`);
    return word;
  };
}

/** The time in a column of milliseconds; `null` is undefined. */
export function timeOf(value: number | null): Date | undefined {
  return value === null ? undefined : new Date(value);
}

/** An object whose values are text. Zod's own would copy it and leave a key `__proto__` out. */
export const textRecord = z.custom<Record<string, string>>(
  isTextRecord,
  'Invalid input: expected an object whose values are text',
);

function isTextRecord(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((text) => typeof text === 'string');
}

function parse(text: string, column: ColumnName, row: RowName): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw damaged(column, row, `it is no JSON: ${jsonProblem(error)}`, error);
  }
}

function damaged(column: ColumnName, row: RowName, problem: string, cause?: unknown): HeadwaterError {
  return new HeadwaterError('unavailable', describeDamage(`${column} of ${row}: ${problem}`), { cause });
}
