// What the machine has, as reasons to skip: each function returns text for tap's `skip` option, or false to run.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

export type Skip = string | false;

/** The first reason that applies: `{ skip: skipUnless(needRoot(), needCommand('podman')) }`. */
export function skipUnless(...reasons: readonly Skip[]): Skip {
  return reasons.find((reason) => reason !== false) ?? false;
}

export function needRoot(): Skip {
  return process.getuid?.() === 0 ? false : 'needs root';
}

export function needCommand(name: string, debianPackage = name): Skip {
  const found = spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name]).status === 0;
  return found ? false : `${name} is not installed (Debian package ${debianPackage})`;
}

/** True inside `npm run vm`, with either kernel: cgroup v2 alone, all capabilities. */
export function inVm(): boolean {
  return process.env['TSRUN_VM'] !== undefined;
}

/** A Debian with systemd: files named *.qemu.test.ts run in it. */
export function needQemu(): Skip {
  return process.env['TSRUN_VM'] === 'qemu' ? false : 'needs the QEMU kernel (npm run vm -- --kernel qemu)';
}

export function needVm(): Skip {
  return inVm() ? false : 'needs a kernel with cgroup v2 alone (npm run vm)';
}

/** unified, hybrid (cgroup2 beside v1 controllers), legacy or none. */
export function cgroupLayout(): 'unified' | 'hybrid' | 'legacy' | 'none' {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  const v2 = / - cgroup2 /.test(mounts);
  const v1 = / - cgroup .*\b(?:memory|cpu|pids|devices)\b/.test(mounts);
  if (v2) return v1 ? 'hybrid' : 'unified';
  return v1 ? 'legacy' : 'none';
}

export function needHybrid(): Skip {
  const layout = cgroupLayout();
  return layout === 'hybrid' ? false : `needs a hybrid cgroup layout, this one is ${layout}`;
}

const CAPABILITY_NUMBERS = { CAP_SYS_ADMIN: 21, CAP_SYS_RESOURCE: 24, CAP_MKNOD: 27 } as const;

export function hasCapability(name: keyof typeof CAPABILITY_NUMBERS): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${mask}`) >> BigInt(CAPABILITY_NUMBERS[name])) & 1n) === 1n;
}

export function needCapability(name: keyof typeof CAPABILITY_NUMBERS): Skip {
  return hasCapability(name) ? false : `needs ${name}`;
}

/** The kernel refuses a user namespace to a process in a chroot, and some hosts refuse it altogether. */
export function needUserNamespace(): Skip {
  const made = spawnSync('unshare', ['--user', 'true']).status === 0;
  return made ? false : 'the kernel refuses user namespaces here (as it does in a chroot)';
}

/** A checkout below a closed directory, such as /root, cannot be run by somebody else. */
export function needReadableBy(uid: number, path: string): Skip {
  const read = spawnSync('setpriv', [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', 'test', '-r', path]);
  return read.status === 0 ? false : `uid ${uid} cannot read ${path}`;
}

export function needNamespace(name: string): Skip {
  return existsSync(`/proc/self/ns/${name}`) ? false : `the kernel has no ${name} namespace`;
}
