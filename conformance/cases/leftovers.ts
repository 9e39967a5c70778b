/** What the whole run has left on the host, after every container was deleted: runtime.md, "Delete". */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../harness/lab.js';
import { cgroups, mounts, processes } from '../harness/leaks.js';
import type { Result } from '../harness/model.js';

export const LEFTOVER_IDS = ['left.mounts', 'left.processes', 'left.cgroups', 'left.state'];

export function leftovers({ mark, dir, left: unmounted }: Bench): Result[] {
  const found: { readonly [id: string]: readonly string[] } = {
    'left.mounts': [...unmounted, ...mounts([mark])],
    'left.processes': processes([mark], []),
    'left.cgroups': cgroups([mark]),
    'left.state': readdirSync(join(dir, 'state')).filter((name) => name.startsWith(mark)),
  };
  return LEFTOVER_IDS.map((id) => {
    const left = found[id] ?? [];
    const status = left.length === 0 ? ('passed' as const) : ('failed' as const);
    return { id, requirement: 'delete.undoes', status, detail: left.slice(0, 5).join('; ') };
  });
}
