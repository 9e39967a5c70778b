/** Times as the API has them: RFC 3339 with nanoseconds, of which Node's clock has the first three digits. */

let lastMs = 0;
let within = 0n;

/** Rising within a process, also for two calls in one millisecond. */
export function now(): string {
  const ms = Date.now();
  within = ms === lastMs ? within + 1n : 0n;
  lastMs = ms;
  return new Date(ms).toISOString().replace('Z', `${String(within).padStart(6, '0')}Z`);
}

/** Nanoseconds since 1970; undefined for what is no time. */
export function nanosOf(time: string): bigint | undefined {
  const match = /^(.*?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(time);
  if (match === null) return undefined;
  const seconds = Date.parse(`${match[1]}${match[3]}`) / 1000;
  if (!Number.isFinite(seconds)) return undefined;
  return BigInt(seconds) * 1_000_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}

export function timeOf(nanos: bigint): string {
  const seconds = new Date(Number(nanos / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(nanos % 1_000_000_000n).padStart(9, '0')}Z`;
}
