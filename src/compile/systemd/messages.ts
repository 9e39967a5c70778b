/**
 * The calls of systemd's D-Bus interface that the executor makes, as whole messages.
 *
 * org.freedesktop.systemd1(5), D-Bus specification "Message Bus Messages". Pure.
 */
import { type DbusValue, type Message, methodCall, PID_SLOT } from '../../util/dbus.js';
import type { Property } from './properties.js';

function toManager(member: string, signature: string, body: readonly DbusValue[]): Message {
  return methodCall({
    destination: 'org.freedesktop.systemd1',
    path: '/org/freedesktop/systemd1',
    interface: 'org.freedesktop.systemd1.Manager',
    member,
    signature,
    body,
  });
}

function toBus(member: string, signature: string, body: readonly DbusValue[]): Message {
  return methodCall({
    destination: 'org.freedesktop.DBus',
    path: '/org/freedesktop/DBus',
    interface: 'org.freedesktop.DBus',
    member,
    signature,
    body,
  });
}

const JOB_REMOVED =
  "type='signal',sender='org.freedesktop.systemd1',path='/org/freedesktop/systemd1'," +
  "interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";

/** What a bus wants before it passes anything on, and what makes systemd send signals to it. */
export function greetings() {
  return {
    hello: toBus('Hello', '', []).bytes,
    match: toBus('AddMatch', 's', [JOB_REMOVED]).bytes,
    subscribe: toManager('Subscribe', '', []).bytes,
  };
}

const list = (properties: readonly Property[]): DbusValue => properties.map(({ name, value }) => [name, value]);

/** The init of the container is the scope's process. "replace": jobs that are in the way are given up. */
export function startTransientUnit(unit: string, properties: readonly Property[]): Message {
  return toManager('StartTransientUnit', 'ssa(sv)a(sa(sv))', [unit, 'replace', list(properties), []]);
}

export const PROCESSES: Property = { name: 'PIDs', value: { signature: 'au', value: [PID_SLOT] } };

/** runtime: until the unit ends, in no file on disk. */
export function setUnitProperties(unit: string, properties: readonly Property[]): Message {
  return toManager('SetUnitProperties', 'sba(sv)', [unit, true, list(properties)]);
}

export function stopUnit(unit: string): Message {
  return toManager('StopUnit', 'ss', [unit, 'replace']);
}

export function resetFailedUnit(unit: string): Message {
  return toManager('ResetFailedUnit', 's', [unit]);
}

export function attachProcess(unit: string): Message {
  return toManager('AttachProcessesToUnit', 'ssau', [unit, '', [PID_SLOT]]);
}
