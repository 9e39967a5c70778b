// Looks at the cgroups of a process on a host whose controllers are bound to cgroup v1.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CGROUPS } from './systemd.js';

/** Of a process: the directories of its cgroups by controller; "" is that of cgroup2, where there is one. */
export function cgroupsOf(pid: number): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const name = controllers === '' ? 'unified' : controllers.replace('name=', '');
    for (const controller of controllers.split(',')) found.set(controller, join(CGROUPS, name, path));
  }
  return found;
}
