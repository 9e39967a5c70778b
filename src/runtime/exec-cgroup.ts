/**
 * exec --cgroup: paths below the container's own cgroups, for all of its hierarchies or by controllers of cgroup v1:
 * "worker", "cpu,memory:worker". The words are runc's (exec.go).
 *
 * Pure.
 */
import { posix } from 'node:path';
import type { CgroupPlace } from '../compile/cgroup.js';
import { UsageError } from '../errors.js';
import { quote } from '../util/quote.js';

const FLAG = '--cgroup';

function refuse(argument: string, reason: string, hint?: string): never {
  throw new UsageError(`${FLAG}: invalid argument ${quote(argument, 128)} (${reason})`, FLAG, hint);
}

/** "/" and "" are the container's cgroup itself. */
function readSub(path: string): string {
  const sub = posix.normalize(`./${path}`).replace(/\/$/, '');
  if (sub === '..' || sub.startsWith('../') || path.includes('\0')) {
    throw new UsageError(`${FLAG}: bad sub cgroup path: ${quote(path, 128)} is not a sub cgroup path`, FLAG);
  }
  return sub === '.' ? '' : sub;
}

function hierarchyOf(controller: string, places: readonly CgroupPlace[]): number {
  const place = places.find(({ controllers }) => controllers.split(',').includes(controller));
  if (place !== undefined && place.hierarchy !== 0) return place.hierarchy;
  const known = places.flatMap(({ controllers }) => controllers.split(',')).filter((name) => name !== '');
  const hint = known.length === 0 ? 'cgroup v2 takes a path without controllers' : `there are: ${known.join(' ')}`;
  throw new UsageError(`${FLAG}: unknown controller ${quote(controller, 64)}`, FLAG, hint);
}

/** By the number of the hierarchy; those that are not in it are entered at the top. undefined without arguments. */
export function readSubCgroups(
  args: readonly string[],
  places: readonly CgroupPlace[],
): ReadonlyMap<number, string> | undefined {
  if (args.length === 0) return undefined;
  if (places.length === 0) throw new UsageError(`${FLAG}: cgroup not exist: the container has none of its own`, FLAG);
  const subs = new Map<number, string>();
  for (const argument of args) {
    const colon = argument.indexOf(':');
    if (colon < 0 && args.length > 1) refuse(argument, 'missing <controller>: prefix');
    if (colon < 0) return new Map(places.map(({ hierarchy }) => [hierarchy, readSub(argument)]));
    const seen = new Set<string>();
    for (const controller of argument.slice(0, colon).split(',')) {
      if (controller === '') refuse(argument, 'empty <controller> prefix');
      const hierarchy = hierarchyOf(controller, places);
      if (seen.has(controller) || (subs.has(hierarchy) && subs.get(hierarchy) !== readSub(argument.slice(colon + 1))))
        refuse(argument, `controller ${controller} specified multiple times`);
      seen.add(controller);
      subs.set(hierarchy, readSub(argument.slice(colon + 1)));
    }
  }
  return subs;
}
