/**
 * The properties in a message for systemd, as `systemctl set-property` has them: "MemoryMax=1048576 Delegate=yes".
 *
 * Pure.
 */
import type { DbusValue } from '../util/dbus.js';
import { readCall } from '../util/dbus-read.js';

export interface ShownProperty {
  readonly name: string;
  readonly value: string;
}

const INFINITY = (1n << 64n) - 1n;
const PROPERTIES = 'a(sv)';

/** Those of StartTransientUnit and SetUnitProperties; none of what is no such message. */
export function readProperties(message: Uint8Array): ShownProperty[] {
  try {
    return read(message);
  } catch (error) {
    if (error instanceof RangeError) return [];
    throw error;
  }
}

function read(message: Uint8Array): ShownProperty[] {
  const { signature, body } = readCall(message);
  // Only simple types, of one letter each, come before the list.
  const list = body[signature.indexOf(PROPERTIES)];
  return (Array.isArray(list) ? list : []).map((property: readonly DbusValue[]) => {
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
