/** Times with nanoseconds, as Go programs write and read them. Node's clock has microseconds: the rest is zeros. */
const PER_SECOND = 1_000_000_000n;

/** Since 1970. Follows the clock of the machine, also when somebody sets it. */
export function nowNanoseconds(): bigint {
  const exact = performance.timeOrigin + performance.now();
  const clock = Date.now();
  // The monotonic clock has the microseconds, the other one is right.
  const ms = Math.abs(exact - clock) < 1000 ? exact : clock;
  return BigInt(Math.round(ms * 1000)) * 1000n;
}

/** Go's time.RFC3339Nano: "2026-11-28T18:02:30.123456Z", without zeros at the end. */
export function rfc3339Nano(nanoseconds: bigint): string {
  const seconds = new Date(Number(nanoseconds / 1_000_000n)).toISOString().slice(0, 19);
  const fraction = String(nanoseconds % PER_SECOND)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return fraction === '' ? `${seconds}Z` : `${seconds}.${fraction}Z`;
}

const RFC3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/;

/** Undefined for what is no RFC 3339 time. */
export function parseRfc3339(text: string): bigint | undefined {
  const match = RFC3339.exec(text);
  const ms = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`);
  if (match === null || Number.isNaN(ms)) return undefined;
  return BigInt(ms) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}

/** "1764354150.123456789": seconds since 1970, as clients send times. Undefined for what is none. */
export function parseUnixTime(text: string): bigint | undefined {
  const match = /^(-?\d{1,11})(?:\.(\d{1,9})\d*)?$/.exec(text);
  return match === null ? undefined : BigInt(match[1] ?? 0) * PER_SECOND + BigInt((match[2] ?? '').padEnd(9, '0'));
}
