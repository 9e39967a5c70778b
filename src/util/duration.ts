/**
 * Durations as Go's package time reads and writes them: "5s", "1m30s", "500ms".
 *
 * Pure.
 */
const MS: { readonly [unit: string]: number } = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const MS_OF_MINUTE = 60_000;
const MS_OF_HOUR = 60 * MS_OF_MINUTE;
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/gy;

/** Milliseconds; undefined for what is none. */
export function parseDuration(text: string): number | undefined {
  let total = 0;
  PART.lastIndex = 0;
  while (PART.lastIndex < text.length) {
    const part = PART.exec(text);
    if (part === null) return undefined;
    total += Number(part[1]) * (MS[part[2] ?? ''] ?? Number.NaN);
  }
  return text === '' ? undefined : total;
}

/** "0s", "50ms", "1.5s", "1m30s", "1h0m0s". */
export function formatDuration(ms: number): string {
  if (ms > 0 && ms < 1000) return `${ms}ms`;
  const [hours, minutes] = [Math.floor(ms / MS_OF_HOUR), Math.floor((ms % MS_OF_HOUR) / MS_OF_MINUTE)];
  const seconds = (ms % MS_OF_MINUTE) / 1000;
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}
