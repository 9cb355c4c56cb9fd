import { type AliasedRawBuilder, type RawBuilder, sql } from 'kysely';
import type { Tables } from './tables.ts';

// A statement takes any number of rows as one JSON text, so that its SQL is the same for each number and is prepared once.
// This is SQLite's way to read the text (https://www.sqlite.org/json1.html#jeach): another database has its own.

/** The type of a column; `bigint` also holds times in milliseconds, numbers of bytes and flags. */
type ColumnType = 'text' | 'bigint';

/** Columns by their names, which are part of the source: they go into the SQL as they are. */
type Columns = Readonly<Record<string, ColumnType>>;

/** A row with these columns. */
type RowOf<Of extends Columns> = {
  readonly [Name in keyof Of]: (Of[Name] extends 'text' ? string : number) | null;
};

/** Rows as a table expression that is named `rows`. Fields of a row that are no column are left out. */
export function rowsOf<const Of extends Columns>(
  columns: Of,
  rows: readonly RowOf<Of>[],
): AliasedRawBuilder<RowOf<Of>, 'rows'> {
  const names = Object.keys(columns);
  const cells = rows.map((row: Readonly<Record<string, string | number | null>>) =>
    names.map((name) => row[name]),
  );
  const selected = sql.raw(names.map((name, at) => `value ->> ${at} as "${name}"`).join());
  return sql<RowOf<Of>>`(select ${selected} from json_each(${JSON.stringify(cells)}))`.as('rows');
}

/** Values as a table expression of one column, for the right side of `in`. */
export function valuesOf<Value extends string | number>(values: readonly Value[]): RawBuilder<Value> {
  return sql<Value>`(select value from json_each(${JSON.stringify(values)}))`;
}

/** The beginning of a statement that inserts rows; `on conflict` and `returning` may follow it. */
export function insertRows<const Of extends Columns>(
  table: keyof Tables,
  columns: Of,
  rows: readonly RowOf<Of>[],
): RawBuilder<unknown> {
  const names = sql.raw(Object.keys(columns).join());
  // Without `where`, SQLite reads `on conflict` as the condition of a join (https://www.sqlite.org/lang_upsert.html, 2.2).
  return sql`insert into ${sql.table(table)} (${names}) select ${names} from ${rowsOf(columns, rows)} where true`;
}
