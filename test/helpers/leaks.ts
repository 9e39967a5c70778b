// What a container may leave on the host. Other work goes on beside the tests, so this does not compare before and
// after; it looks for the test's mark: the name of its directory, which is in every path, id and environment it makes.
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

export function findLeaks(mark: string, ids: readonly string[]): string[] {
  const marks = [mark, ...ids];
  return [...mounts(mark), ...processes(mark), ...cgroups(marks), ...networkNames(marks), ...states(ids)];
}

function mounts(mark: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.filter((line) => line.includes(mark)).map((line) => `mount: ${line}`);
}

/** Processes that have the mark in their environment, arguments, root or working directory. */
function processes(mark: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid || isZombie(pid)) continue;
    const command = text(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
    const marked = [command, text(`/proc/${pid}/environ`), link(`/proc/${pid}/root`), link(`/proc/${pid}/cwd`)];
    if (marked.some((value) => value.includes(mark))) found.push(`process: ${pid} ${command}`);
  }
  return found;
}

/** A dead process that nobody waits for here: its parent is no process of ours to blame. */
function isZombie(pid: string): boolean {
  return /\) [ZX] /.test(text(`/proc/${pid}/stat`));
}

function cgroups(marks: readonly string[]): string[] {
  const found: string[] = [];
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(' ')[4] ?? '');
  for (const point of points)
    walk(point, 4, (path) => marks.some((mark) => path.includes(mark)) && found.push(`cgroup: ${path}`));
  return found;
}

function walk(directory: string, depth: number, visit: (path: string) => void): void {
  if (depth === 0) return;
  for (const name of names(directory)) {
    const path = join(directory, name);
    visit(path);
    walk(path, depth - 1, visit);
  }
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return []; // removed meanwhile
  }
}

function networkNames(marks: readonly string[]): string[] {
  const all = ['/run/netns', '/sys/class/net'].filter(existsSync).flatMap((directory) => readdirSync(directory));
  return all.filter((name) => marks.some((mark) => name.includes(mark))).map((name) => `network: ${name}`);
}

/** State anywhere but below the test's own --root. */
function states(ids: readonly string[]): string[] {
  const roots = ['/run/tsrun', '/run/runc', '/run/crun'];
  return roots
    .flatMap((root) => ids.map((id) => join(root, id)))
    .filter(existsSync)
    .map((path) => `state: ${path}`);
}

function text(path: string): string {
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
