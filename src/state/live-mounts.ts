/**
 * mounts.json of the state directory: what "tsrun mounts add" has mounted in a container that runs. Whether a mount is
 * still there only the container's mount table says.
 *
 * Pure.
 */
import { stringifyJson } from '../util/json-write.js';

export const LIVE_MOUNTS_FILE = 'mounts.json';
const VERSION = 1;

export interface LiveMount {
  /** Absolute in the container, normalised. */
  readonly destination: string;
  /** The kernel's id, as in mountinfo; 0 while it is being mounted. */
  readonly id: number;
  /** As it was asked for. */
  readonly mount: unknown;
}

/** id: a number, or the slot that the executor replaces by one. */
export function liveMountsText(mounts: readonly (Omit<LiveMount, 'id'> & { readonly id: number | string })[]): string {
  if (mounts.length === 0) return '';
  const entries = mounts.map(
    ({ destination, id, mount }) => `{"id":${id},${stringifyJson({ destination, mount }).slice(1)}`,
  );
  return `{"version":${VERSION},"mounts":[${entries.join(',')}]}`;
}

/** The reason, when it is no such text. */
export function parseLiveMounts(text: string): readonly LiveMount[] | string {
  if (text === '') return [];
  try {
    const { version, mounts } = JSON.parse(text) as { version?: unknown; mounts?: unknown };
    if (version !== VERSION || !Array.isArray(mounts)) return 'unknown version';
    const entries = mounts as LiveMount[];
    const sound = entries.every(({ destination, id }) => typeof destination === 'string' && Number.isInteger(id));
    return sound ? entries : 'fields are missing';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
