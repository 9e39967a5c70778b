/**
 * Columns as Go's text/tabwriter lays them out for runc's tables: cells at least 12 wide, 3 spaces apart, the last cell
 * of a row unpadded.
 *
 * Pure.
 */
const MIN_WIDTH = 12;
const PADDING = 3;

export function formatTable(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(MIN_WIDTH, ...rows.map((row) => (row[column]?.length ?? 0) + PADDING)),
  );
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column < row.length - 1 ? cell.padEnd(widths[column] ?? 0) : cell)).join('');
  return rows.map((row) => `${line(row)}\n`).join('');
}
