/**
 * Sizes as docker prints them: decimal units, four significant digits (docker/go-units `HumanSize`).
 */
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'];

/** `1.536MB`, `98B`. */
export function renderSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${significant(value)}${UNITS[unit]}`;
}

/** Go's `%.4g` for 0 <= value < 10,000: no trailing zeros, and 999.96 is 1000. */
function significant(value: number): string {
  return String(Number(value.toPrecision(4)));
}
