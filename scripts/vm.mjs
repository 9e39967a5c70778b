// Runs a command as root on another kernel: user-mode Linux (cgroup v2 alone, one second) or QEMU (a Debian with systemd
// and everything its kernel has, about ten seconds; the first time its disk is made, a minute or two).
//   npm run vm -- [--kernel uml|qemu] [--timeout SECONDS] [--memory MB] [--share DIR] [--module NAME]... COMMAND [ARG...]
// --boot hybrid|legacy: QEMU with cgroup v1 beside cgroup2, with cgroup v1 alone.
// This repository is there at its own path, read-only. --share DIR (writable, also on the host) is /mnt in there; the
// command's exit status is passed on. In QEMU `as-tester COMMAND` is a command of uid 1000 in a systemd user session.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fail } from './lib/run.mjs';
import { read } from './lib/vm-guest.mjs';
import { BOOTS, bootQemu, qemuMissing } from './lib/vm-qemu.mjs';
import { bootUml, umlMissing } from './lib/vm-uml.mjs';

const BOOT_TRIES = 3;
const KERNELS = {
  uml: { boot: bootUml, missing: umlMissing, name: 'user-mode Linux' },
  qemu: { boot: bootQemu, missing: qemuMissing, name: 'the QEMU kernel' },
};

/** Why it cannot run here, or undefined. */
export function vmMissing(kernel = 'uml') {
  return KERNELS[kernel].missing();
}

/**
 * Runs argv in there. Returns { status, stdout, stderr, console }; status 124 means the time was up, 125 that the kernel
 * ended without a status. onOutput sees the command's output as it comes.
 */
export async function runVm(argv, { kernel = 'uml', ...options } = {}) {
  const missing = vmMissing(kernel);
  if (missing) throw new Error(missing);
  const { boot, name } = KERNELS[kernel];
  const work = mkdtempSync(join(tmpdir(), 'tsrun-vm-'));
  const defaults = { timeout: 600, memory: 2048, modules: [], env: {}, cwd: process.cwd() };
  try {
    for (let attempt = 1; ; attempt++) {
      const result = await boot(argv, work, { ...defaults, ...options });
      if (result) return { ...result, console: result.console.replaceAll('\r', '').trim() };
      if (attempt === BOOT_TRIES)
        throw new Error(`${name} did not boot ${BOOT_TRIES} times: ${read(join(work, 'console'), '').trim()}`);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function parseArguments(args) {
  const options = { modules: [] };
  let i = 0;
  for (; i < args.length && args[i].startsWith('--'); i++) {
    if (args[i] === '--') {
      i++;
      break;
    }
    const value = args[++i];
    const name = args[i - 1].slice(2);
    if (name === 'timeout' || name === 'memory') options[name] = Number(value);
    else if (name === 'share') options.share = value;
    else if (name === 'module') options.modules.push(value);
    else if (name === 'kernel' && value in KERNELS) options.kernel = value;
    else if (name === 'boot' && value in BOOTS) Object.assign(options, { boot: value, kernel: 'qemu' });
    else fail(`vm: unknown option --${name} ${value ?? ''}`, 2);
  }
  return { argv: args.slice(i), options };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { argv, options } = parseArguments(process.argv.slice(2));
  if (argv.length === 0)
    fail(
      'vm: no command given: npm run vm -- [--kernel uml|qemu] [--timeout S] [--memory MB] [--share DIR] COMMAND',
      2,
    );
  const missing = vmMissing(options.kernel);
  if (missing) fail(`vm: ${missing}`);
  const result = await runVm(argv, { ...options, onOutput: (text, stream) => process[stream].write(text) });
  if (result.status === 124) process.stderr.write('vm: time is up\n');
  if (result.status === 125) process.stderr.write(`vm: ended without a status: ${result.console}\n`);
  process.exitCode = result.status;
}
