/**
 * Sizes and ages in docker's words (go-units): "1.24MB", powers of 1000; "3 weeks".
 *
 * Pure.
 */
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Three digits at most. */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(3))}${UNITS[unit]}`;
}

const STEPS: readonly (readonly [below: number, unit: number, name: string])[] = [
  [60, 1, 'second'],
  [3600, 60, 'minute'],
  [48 * 3600, 3600, 'hour'],
  [14 * 86400, 86400, 'day'],
  [60 * 86400, 7 * 86400, 'week'],
  [2 * 365 * 86400, 30 * 86400, 'month'],
  [Number.POSITIVE_INFINITY, 365 * 86400, 'year'],
];

/** Of a number of milliseconds. */
export function humanDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 1) return 'Less than a second';
  if (seconds >= 60 && seconds < 120) return 'About a minute';
  if (seconds >= 3600 && seconds < 7200) return 'About an hour';
  const [, unit, name] = STEPS.find(([below]) => seconds < below) ?? [0, 1, 'second'];
  const count = Math.floor(seconds / unit);
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}
