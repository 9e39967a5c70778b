/**
 * Annotations `org.systemd.property.NAME`: properties of the unit, their values as GVariant text. `…Sec`, as the manual
 * writes them, means seconds; on the bus the same property is `…USec` and counts microseconds.
 *
 * Other runtimes take the same annotations. Pure.
 */
import type { ValidSpec } from '../../spec/valid.js';
import type { Variant } from '../../util/dbus.js';
import { parseVariant } from '../../util/gvariant.js';
import { type JsonPointer, pointer } from '../../util/pointer.js';
import { quoteName } from '../../util/quote.js';
import { type Report, refuse } from '../report.js';
import type { Property } from './properties.js';

export const PROPERTY_PREFIX = 'org.systemd.property.';
const HINT = "the value is GVariant text: 'text', true, uint64 5, ['a', 'b']";

/** cgroupsPath says what these would say. */
const PLACES: readonly string[] = ['Slice', 'PIDs'];

export function annotatedProperties(report: Report, { annotations = {} }: ValidSpec): Property[] {
  return Object.entries(annotations).flatMap(([key, text]) => {
    return key.startsWith(PROPERTY_PREFIX) ? parse(report, key, text) : [];
  });
}

function parse(report: Report, key: string, text: string): Property[] {
  const path = pointer('annotations', key);
  const name = key.slice(PROPERTY_PREFIX.length);
  const wrong = checkName(name);
  if (wrong !== undefined) {
    refuse(report, 'SYSTEMD_PROPERTY_NAME', path, `annotation ${quoteName(key)} name incorrect: ${wrong}`);
    return [];
  }
  try {
    return [{ ...property(name, parseVariant(text)), annotation: key }];
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    refuseValue(report, path, key, text, error.message);
    return [];
  }
}

function refuseValue(report: Report, path: JsonPointer, key: string, text: string, reason: string): void {
  const message = `annotation ${quoteName(key)} value parse error: ${reason}`;
  refuse(report, 'SYSTEMD_PROPERTY_VALUE', path, message, { value: text, hint: HINT });
}

function checkName(name: string): string | undefined {
  if (name.length < 3) return 'too short';
  if (!/^[A-Za-z]+$/.test(name)) return 'contains non-alphabetic character';
  return PLACES.includes(name) ? 'linux.cgroupsPath decides it' : undefined;
}

function property(name: string, value: Variant): Property {
  const stem = /^(.*[a-z])Sec$/.exec(name)?.[1];
  return stem === undefined ? { name, value } : { name: `${stem}USec`, value: microseconds(value) };
}

function microseconds({ value }: Variant): Variant {
  if (typeof value !== 'number' && typeof value !== 'bigint') throw new RangeError('not a number');
  if (value < 0 || !Number.isFinite(Number(value))) throw new RangeError('not a duration');
  const exact = typeof value === 'bigint' ? value * 1_000_000n : BigInt(Math.round(value * 1e6));
  return { signature: 't', value: BigInt.asUintN(64, exact) };
}
