/**
 * What containers may leave on the host. Other work goes on beside the suite, so nothing is compared before and after:
 * every container's id, path and cgroup has the run's mark in it, and that is looked for.
 */
import { readdirSync, readFileSync, readlinkSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, isAlive } from './runtime.js';

/** Milliseconds. A look costs some, so there is a pause between two. */
const LEAK_DEADLINE = 2000;
const LEAK_PAUSE = 50;

/** Marks: ids or parts of paths. Pids in `known` are the suite's own. */
export function findLeaks(marks: readonly string[], known: readonly number[]): string[] {
  return [...mounts(marks), ...processes(marks, known), ...cgroups(marks)];
}

export function mounts(marks: readonly string[]): string[] {
  const lines = read('/proc/self/mountinfo').split('\n');
  return lines.filter((line) => mentions(line, marks)).map((line) => `mount ${line}`);
}

/** Every process there is now: what runs before a container is made is none of its leaks, and need not be looked at. */
export function allPids(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

/** Until it is gone, or the time is up, which is long enough for what goes by itself; returns what is left. */
export async function lastingLeaks(find: () => readonly string[]): Promise<readonly string[]> {
  let left: readonly string[] = [];
  await eventually(
    () => {
      left = find();
      return left.length === 0;
    },
    LEAK_DEADLINE,
    LEAK_PAUSE,
  );
  return left;
}

/** Processes whose root, working directory or cgroup has a mark. Arguments do not count: the runtime's have it. */
export function processes(marks: readonly string[], known: readonly number[]): string[] {
  const found: string[] = [];
  const skipped = new Set([process.pid, ...known]);
  for (const pid of allPids()) {
    if (skipped.has(pid) || !isAlive(pid)) continue;
    const places = [link(`/proc/${pid}/root`), link(`/proc/${pid}/cwd`), read(`/proc/${pid}/cgroup`)];
    if (places.some((place) => mentions(place, marks)))
      found.push(`process ${pid} (${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 80)})`);
  }
  return found;
}

export function cgroups(marks: readonly string[]): string[] {
  const found: string[] = [];
  const points = read('/proc/self/mountinfo')
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(' ')[4] ?? '');
  for (const point of points) walk(point, 5, (path) => mentions(path, marks) && found.push(`cgroup ${path}`));
  return found;
}

/** What a run has left goes with it: processes, then the cgroups they were in. What stays in spite of that is told. */
export async function removeLeft(marks: readonly string[]): Promise<readonly string[]> {
  for (const found of processes(marks, [])) tolerate(() => process.kill(Number(found.split(' ')[1]), 'SIGKILL'));
  return lastingLeaks(() => {
    for (const found of cgroups(marks).reverse()) tolerate(() => rmdirSync(found.slice('cgroup '.length)));
    return findLeaks(marks, []);
  });
}

function tolerate(step: () => void): void {
  try {
    step();
  } catch {
    // gone meanwhile, or not to be removed yet
  }
}

function mentions(text: string, marks: readonly string[]): boolean {
  return marks.some((mark) => new RegExp(`${mark}(?!\\d)`).test(text));
}

function walk(directory: string, depth: number, visit: (path: string) => void): void {
  if (depth === 0) return;
  for (const entry of entries(directory)) {
    const path = join(directory, entry);
    visit(path);
    walk(path, depth - 1, visit);
  }
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return []; // gone meanwhile
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
