// The bundles that every runtime gets: what `tsrun spec` writes, without terminal and without device rules (crun 1.8 cannot
// load any everywhere), and what makes it grow.
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { capture, fail, ROOT } from '../../scripts/lib/run.mjs';

const DIRECTORIES = ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp'];

export function pathOf(name) {
  return capture('sh', ['-c', `command -v ${name}`]).stdout.trim();
}

export function makeBundle(work, name, args, edit = () => {}) {
  const path = join(work, name);
  const rootfs = join(path, 'rootfs');
  for (const directory of DIRECTORIES) mkdirSync(join(rootfs, directory), { recursive: true });
  copyFileSync(pathOf('busybox'), join(rootfs, 'bin/busybox'));
  for (const applet of ['sh', 'true', 'sleep']) symlinkSync('busybox', join(rootfs, 'bin', applet));
  const made = capture(join(ROOT, 'bin/tsrun'), ['spec', '--bundle', path]);
  if (made.status !== 0) fail(`bench: tsrun spec: ${made.stderr}`);
  const config = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'));
  config.process.terminal = false;
  config.process.args = args;
  delete config.linux.resources;
  config.ociVersion = '1.0.2'; // crun 1.8 knows no later one
  edit(config, path);
  writeFileSync(join(path, 'config.json'), JSON.stringify(config));
  return path;
}

/** The file that engines write for exec: the process of the bundle with other arguments. */
export function makeProcess(bundle, args) {
  const { process: own } = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'));
  const path = join(bundle, 'process.json');
  writeFileSync(path, JSON.stringify({ ...own, args }));
  return path;
}

/** count bind mounts more. */
export function addMounts(count) {
  return (config, path) => {
    const source = join(path, 'rootfs/etc');
    for (let i = 0; i < count; i++)
      config.mounts.push({ destination: `/tmp/m${i}`, type: 'bind', source, options: ['rbind', 'ro'] });
  };
}

/** The list of images' containers, between the quotes of its source. */
function listed() {
  const [, list = ''] = readFileSync(join(ROOT, 'src/bundle/seccomp-calls.ts'), 'utf8').split('`');
  return list.trim().split(/\s+/);
}

/** A filter that names count calls, as engines' lists do; the rest is let pass and logged. */
export function addRules(count) {
  return (config) => {
    const syscalls = listed()
      .slice(0, count)
      .map((name) => ({ names: [name], action: 'SCMP_ACT_ALLOW' }));
    config.linux.seccomp = { defaultAction: 'SCMP_ACT_LOG', architectures: ['SCMP_ARCH_X86_64'], syscalls };
  };
}
