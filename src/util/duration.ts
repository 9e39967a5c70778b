/**
 * Durations as Go's time.ParseDuration reads them, which runc's options are written in: "5s", "1m30s", "500ms".
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
