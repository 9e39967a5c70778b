/** Amounts of bytes for people. Pure. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;
const STEP = 1024;

/** 1536 is "1.5KiB", for columns. */
export function humanBytes(bytes: bigint): string {
  let value = Number(bytes);
  let unit = 0;
  while (value >= STEP && unit < UNITS.length - 1) {
    value /= STEP;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)}${UNITS[unit]}`;
}

/** 1536 is "1.5 KiB" and 1024 "1 KiB", for sentences. */
export function byteSize(bytes: bigint): string {
  return humanBytes(bytes).replace(/^(\d+)(\.0)?(\.\d)?/, '$1$3 ');
}
