/**
 * Sizes as Docker's go-units reads them (RAMInBytes), which runc's options are written in: "50M", "1.5g", "64MiB".
 * Powers of 1024, whatever the spelling.
 *
 * Pure.
 */
const POWERS = ['', 'k', 'm', 'g', 't', 'p'];
const SIZE = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i;

/** Bytes; undefined for what is no size. */
export function parseSize(text: string): bigint | undefined {
  const found = SIZE.exec(text);
  if (found === null) return undefined;
  const [, number = '', unit = ''] = found;
  const factor = 1024n ** BigInt(POWERS.indexOf(unit.toLowerCase()));
  const [whole = '0', fraction = ''] = number.split('.');
  // In integers: 2^53 and beyond must stay exact.
  return BigInt(whole) * factor + (BigInt(fraction || '0') * factor) / 10n ** BigInt(fraction.length);
}
