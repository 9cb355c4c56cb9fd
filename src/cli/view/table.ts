/** A column of a table for people. */
export interface Column<Row> {
  title: string;
  value: (row: Row) => string;
  align?: 'right';
}

/**
 * A table as text: a line of titles, then a line for each row, with two spaces between columns. It is the same on a
 * terminal and in a pipe, and nothing is truncated.
 */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ value }) => value(row))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  const lines = cells.map((line) =>
    line
      .map((cell, index) => {
        const width = widths[index] ?? 0;
        return columns[index]?.align === 'right' ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
  return lines.join('\n');
}
