/** Columns as docker prints them: upper-case heads, three spaces between, the last column as it is. */
export function renderTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [heads, ...rows];
  const widths = heads.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    heads
      .map((_, column) => (row[column] ?? '').padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd();
  return all.map((row) => `${line(row)}\n`).join('');
}
