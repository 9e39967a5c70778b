// A root file system of one static busybox: made once per machine and busybox, then copied where a test may write.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { needCommand, type Skip } from './host.js';

const LAYOUT_VERSION = 1;
const DIRECTORIES = [
  'bin',
  'dev',
  'etc',
  'home/user',
  'lib',
  'mnt',
  'opt',
  'proc',
  'root',
  'run',
  'srv',
  'sys',
  'tmp',
  'usr/bin',
  'var',
];
const FILES: { readonly [path: string]: string } = {
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  'etc/group': 'root:x:0:\nuser:x:1000:\nstaff:x:50:user\nnogroup:x:65534:\n',
  'etc/hostname': 'rootfs\n',
  'etc/hosts': '127.0.0.1 localhost\n',
  'etc/resolv.conf': '',
  'etc/os-release': 'ID=tsrun-test\nNAME="tsrun test root"\n',
};

export function needBusybox(): Skip {
  const busybox = busyboxPath();
  if (busybox === undefined) return needCommand('busybox', 'busybox-static') || 'busybox is not on PATH';
  const dynamic = spawnSync('ldd', [busybox], { encoding: 'utf8' });
  return dynamic.status === 0 ? `${busybox} is not static (Debian package busybox-static)` : false;
}

export function busyboxPath(): string | undefined {
  const found = spawnSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' });
  return found.status === 0 ? found.stdout.trim() : undefined;
}

/** The shared one: whoever writes into it uses copyRootfs. */
export function sharedRootfs(): string {
  const busybox = busyboxPath();
  if (busybox === undefined) throw new Error('busybox is not installed');
  const key = createHash('sha256')
    .update(readFileSync(busybox))
    .update(String(LAYOUT_VERSION))
    .digest('hex')
    .slice(0, 12);
  const place = join(tmpdir(), `tsrun-rootfs-${process.getuid?.() ?? 0}-${key}`);
  if (!existsSync(place)) buildRootfs(busybox, place);
  if (lstatSync(place).uid !== process.getuid?.()) throw new Error(`${place} belongs to somebody else`);
  return place;
}

export function copyRootfs(target: string): string {
  const done = spawnSync('cp', ['-a', sharedRootfs(), target], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`cp: ${done.stderr}`);
  return target;
}

/** Built beside its place and renamed, so that two test files starting at once do not meet half of it. */
function buildRootfs(busybox: string, place: string): void {
  const work = mkdtempSync(join(tmpdir(), 'tsrun-rootfs-new-'));
  for (const directory of DIRECTORIES) mkdirSync(join(work, directory), { recursive: true });
  for (const [path, text] of Object.entries(FILES)) writeFileSync(join(work, path), text);
  copyFileSync(busybox, join(work, 'bin/busybox'));
  chmodSync(join(work, 'bin/busybox'), 0o755);
  chmodSync(join(work, 'tmp'), 0o1777);
  chmodSync(work, 0o755);
  const applets = spawnSync(busybox, ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n');
  for (const applet of applets) {
    if (applet !== 'busybox') symlinkSync('busybox', join(work, 'bin', applet));
  }
  try {
    renameSync(work, place);
  } catch (error) {
    rmSync(work, { recursive: true });
    if (!existsSync(place)) throw error;
  }
}
