/**
 * What containers may leave on the host. Other work goes on beside the suite, so nothing is compared before and after:
 * every container's id, path and cgroup has the run's mark in it, and that is looked for.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive } from './runtime.js';

/** Marks: ids or parts of paths. Pids in `known` are the suite's own. */
export function findLeaks(marks: readonly string[], known: readonly number[]): string[] {
  return [...mounts(marks), ...processes(marks, known), ...cgroups(marks)];
}

export function mounts(marks: readonly string[]): string[] {
  const lines = read('/proc/self/mountinfo').split('\n');
  return lines.filter((line) => mentions(line, marks)).map((line) => `mount ${line}`);
}

/** Processes whose root, working directory or cgroup has a mark. Arguments do not count: the runtime's have it. */
export function processes(marks: readonly string[], known: readonly number[]): string[] {
  const found: string[] = [];
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    const pid = Number(name);
    if (pid === process.pid || known.includes(pid) || !isAlive(pid)) continue;
    const places = [link(`/proc/${name}/root`), link(`/proc/${name}/cwd`), read(`/proc/${name}/cgroup`)];
    if (places.some((place) => mentions(place, marks)))
      found.push(`process ${name} (${read(`/proc/${name}/cmdline`).replaceAll('\0', ' ').slice(0, 80)})`);
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
