/**
 * Properties as the elements of an a(sv), which the executor puts into its calls as they are.
 *
 * org.freedesktop.systemd1(5). Pure.
 */
import { type DbusValue, elements, PID_SLOT } from '../../util/dbus.js';
import type { Property } from './properties.js';

export const PROCESSES: Property = { name: 'PIDs', value: { signature: 'au', value: [PID_SLOT] } };

export interface MarshalledProperties {
  readonly properties: Uint8Array;
  /** Those that some version of systemd does not know: left out where it refuses them. */
  readonly newer: Uint8Array;
  /** Offset of the pid in properties. */
  readonly pidAt: number;
}

export function marshal(all: readonly Property[]): MarshalledProperties {
  const bytesOf = (properties: readonly Property[]) => {
    const pairs = properties.map(({ name, value }): DbusValue => [name, value]);
    return elements('(sv)', pairs);
  };
  const { bytes: properties, pidAt } = bytesOf(all.filter(({ since }) => since === undefined));
  const { bytes: newer } = bytesOf(all.filter(({ since }) => since !== undefined));
  return { properties, newer, pidAt };
}
