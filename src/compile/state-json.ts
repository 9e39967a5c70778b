/**
 * The OCI state as text with slots for what only the executor knows: hooks read it, `state` prints it. Keys and their
 * order are runc's, whose readers also look for rootfs, created and owner.
 *
 * OCI runtime-spec, runtime "State". Pure.
 */
import { SLOT } from '../plan/op.gen.js';
import type { ValidSpec } from '../spec/valid.js';
import { rootfsPath } from './rootfs.js';

export interface StateSource {
  readonly spec: ValidSpec;
  /** Absolute. */
  readonly bundle: string;
  /** Text or slot; by default what the executor finds out. */
  readonly pid?: string;
  readonly status?: string;
}

export function stateJson({ spec, bundle, pid = SLOT.pid, status = SLOT.status }: StateSource): string {
  const annotations = spec.annotations ?? {};
  // JSON.stringify would escape a slot's first byte, which is how no text of a config can look like one.
  const members: readonly (readonly [key: string, json: string])[] = [
    ['ociVersion', JSON.stringify(spec.ociVersion)],
    ['id', `"${SLOT.id}"`],
    ['pid', pid],
    ['status', `"${status}"`],
    ['bundle', JSON.stringify(bundle)],
    ['rootfs', JSON.stringify(rootfsPath(spec, bundle))],
    ['created', `"${SLOT.created}"`],
    ...(Object.keys(annotations).length === 0 ? [] : [['annotations', nested(annotations)] as const]),
    ['owner', '""'], // runc prints it empty too
  ];
  return `{\n${members.map(([key, json]) => `  "${key}": ${json}`).join(',\n')}\n}`;
}

const nested = (value: unknown): string => JSON.stringify(value, null, 2).replaceAll('\n', '\n  ');
