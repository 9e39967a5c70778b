/**
 * Reads cgroups back, whichever version a controller is bound to: cgroups(7). A limit is asked for by its v2 file; the
 * table has the v1 file, and how its value reads in v2's words.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Unmet } from './model.js';

/** Mount points of cgroup2, then of the v1 controllers by name. */
interface Hierarchies {
  readonly unified: string | undefined;
  readonly v1: ReadonlyMap<string, string>;
}

function hierarchies(): Hierarchies {
  const v1 = new Map<string, string>();
  let unified: string | undefined;
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [own = '', rest = ''] = line.split(' - ');
    const point = own.split(' ')[4] ?? '';
    const [type = '', , options = ''] = rest.split(' ');
    if (type === 'cgroup2') unified ??= point;
    if (type === 'cgroup') for (const name of options.split(',')) if (!v1.has(name)) v1.set(name, point);
  }
  return { unified, v1 };
}

/** Where the controller's tree is mounted, in either version. */
export function controllerDirectory(name: string): string | undefined {
  const { unified, v1 } = hierarchies();
  return isUnified(name) ? unified : v1.get(name);
}

/** Whether cgroup2 has the controller; "" asks for cgroup2 itself. */
export function isUnified(name: string): boolean {
  const { unified } = hierarchies();
  if (unified === undefined) return false;
  if (name === '') return true;
  const all = readFileSync(join(unified, 'cgroup.controllers'), 'utf8');
  return ` ${all.trim()} `.includes(` ${name} `);
}

/** The cgroup of a process in the tree of a controller. */
export function cgroupOf(pid: number, controller: string): string {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
  const wanted = (line: string): boolean => {
    const [number, controllers = ''] = line.split(':');
    return isUnified(controller) ? number === '0' : controllers.split(',').includes(controller);
  };
  const found = lines.find(wanted);
  if (found === undefined) throw new Unmet(`process ${pid} is in no cgroup of ${controller}`);
  return found.split(':').slice(2).join(':');
}

/** The content of a file of the cgroup that a process is in. */
export function readLimit(pid: number, controller: string, file: { readonly v2: string; readonly v1: string }): string {
  const name = isUnified(controller) ? file.v2 : file.v1;
  const path = join(controllerDirectory(controller) ?? '/', cgroupOf(pid, controller), name);
  if (!existsSync(path)) throw new Unmet(`${path} is not there`);
  return readFileSync(path, 'utf8').trim();
}

/** Directories of this name anywhere below the mount points. */
export function findCgroups(path: string): string[] {
  const { unified, v1 } = hierarchies();
  const points = [...new Set([...(unified === undefined ? [] : [unified]), ...v1.values()])];
  return points.map((point) => join(point, path)).filter((each) => existsSync(each) && readdirSync(each).length > 0);
}

/** "v1" where any controller is bound to it. */
export function cgroupVersion(): 'v1' | 'v2' {
  return hierarchies().v1.size > 0 ? 'v1' : 'v2';
}
