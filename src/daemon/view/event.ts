/**
 * Events as clients get them, and which of them a client wants.
 *
 * Pure.
 */
import type { DaemonEvent } from '../events.js';
import type { Filters } from '../filters.js';

export const EVENT_FILTERS = [
  'config',
  'container',
  'daemon',
  'event',
  'image',
  'label',
  'network',
  'node',
  'plugin',
  'scope',
  'secret',
  'service',
  'type',
  'volume',
] as const;

/** status, id and from: only of containers and images, for clients that are older than types. */
export function eventView({ type, action, id, attributes, time }: DaemonEvent) {
  const legacy =
    type === 'container' || type === 'image'
      ? { status: action, id, ...(type === 'container' ? { from: attributes['image'] ?? '' } : {}) }
      : {};
  return {
    ...legacy,
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: attributes },
    scope: 'local',
    time: Number(time / 1_000_000_000n),
    timeNano: time,
  };
}

export function eventFilter(filters: Filters): (event: DaemonEvent) => boolean {
  return (event) =>
    filters.any('event', (wanted) => event.action === wanted || event.action.startsWith(`${wanted}:`)) &&
    filters.any('type', (wanted) => event.type === wanted) &&
    filters.any('scope', (wanted) => wanted === 'local') &&
    filters.labels(event.attributes) &&
    (['container', 'network', 'volume', 'daemon'] as const).every((kind) => names(filters, kind, event)) &&
    filters.any('image', (wanted) => isOfImage(event, wanted)) &&
    SWARM.every((kind) => filters.get(kind).length === 0);
}

const SWARM = ['config', 'node', 'plugin', 'secret', 'service'];

/** By id, the beginning of one, or name. */
function names(filters: Filters, kind: DaemonEvent['type'], { type, id, attributes }: DaemonEvent): boolean {
  const values = filters.get(kind);
  if (values.length === 0) return true;
  const own = type === kind ? [id, attributes['name']] : [];
  return values.some((wanted) => own.some((name) => name?.startsWith(wanted) === true));
}

function isOfImage({ type, id, attributes }: DaemonEvent, wanted: string): boolean {
  const own = type === 'image' ? [id, attributes['name']] : type === 'container' ? [attributes['image']] : [];
  return own.some((name) => name !== undefined && (name === wanted || name.replace(/:[^:/]*$/, '') === wanted));
}
