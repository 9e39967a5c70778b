// Looks at units and cgroups of a systemd that runs, in the QEMU kernel. QEMU is slow: every call gets two minutes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bundle, must, runProgram, type Sandbox } from './runtime.js';

export const CGROUPS = '/sys/fs/cgroup';
export const SLOW = { timeout: 120_000 };
export const FLAG = '--systemd-cgroup';

/** Of a unit, NAME=VALUE. */
export function show(box: Sandbox, unit: string, ...names: string[]): { readonly [name: string]: string } {
  const done = must(runProgram('systemctl', ['show', unit, '-p', names.join(',')], box.directory, SLOW));
  const pairs = done.stdout
    .trim()
    .split('\n')
    .map((line) => line.split(/=(.*)/s, 2) as [string, string]);
  const all: { [name: string]: string } = {};
  for (const [name, value] of pairs) all[name] = all[name] === undefined ? value : `${all[name]}\n${value}`;
  return all;
}

export const isActive = (box: Sandbox, unit: string): boolean =>
  runProgram('systemctl', ['is-active', unit], box.directory, SLOW).stdout === 'active\n';

/** With a cgroup namespace and mount. */
export function scopedBundle(
  box: Sandbox,
  args: string[],
  edit: (config: Bundle['config']) => void = () => {},
): Bundle {
  return box.bundle(args, (config) => {
    config['linux'].namespaces.push({ type: 'cgroup' });
    config['mounts'].push({ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['ro'] });
    edit(config);
  });
}

/** Of a file of a cgroup. */
export const cgroupFile = (directory: string, name: string): string =>
  readFileSync(join(CGROUPS, directory, name), 'utf8').trim();
