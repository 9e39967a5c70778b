/**
 * The properties that systemd is told, as `systemctl set-property` has them: "MemoryMax=1048576 Delegate=yes".
 *
 * Pure.
 */
import type { DbusValue } from '../util/dbus.js';
import { readElements } from '../util/dbus-read.js';

export interface ShownProperty {
  readonly name: string;
  readonly value: string;
}

const INFINITY = (1n << 64n) - 1n;
/** Of the ops that tell systemd of properties. */
export interface Told {
  /** Pairs. */
  readonly texts?: readonly string[];
  readonly properties: Uint8Array;
  readonly newer: Uint8Array;
}

/** None of bytes that are no properties. */
export function readProperties({ texts = [], properties, newer }: Told): ShownProperty[] {
  const named = texts.flatMap((name, index) => (index % 2 === 0 ? [{ name, value: texts[index + 1] ?? '' }] : []));
  try {
    return [...named, ...read(properties), ...read(newer)];
  } catch (error) {
    if (error instanceof RangeError) return [];
    throw error;
  }
}

function read(bytes: Uint8Array): ShownProperty[] {
  return readElements('(sv)', bytes).map((property) => {
    const [name, variant] = property as [string, { readonly signature: string; readonly value: DbusValue }];
    return { name, value: name === 'PIDs' ? '<pid>' : showValue(variant.value) };
  });
}

function showValue(value: DbusValue): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (value === INFINITY) return 'infinity';
  if (Array.isArray(value)) return `[${value.map(showValue).join(' ')}]`;
  if (typeof value === 'object' && 'signature' in value) return showValue(value.value);
  return String(value);
}
