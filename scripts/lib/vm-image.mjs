// The disk of the QEMU kernel (vm-qemu.mjs): a small Debian 12 with systemd, the tools that tests drive, the host's node,
// and Debian's own cloud kernel, which has NVMe and ext4 built in and so needs no initramfs. Made once, by mmdebstrap and
// mke2fs -d, into a cache: $XDG_CACHE_HOME/tsrun, or /var/cache/tsrun. Its name is a hash of all that goes into it.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { capture, cleanEnv, hasCommand } from './run.mjs';

const SUITE = 'bookworm';
const SIZE = '4G'; // sparse; a run's writes go to a throw-away overlay
const PACKAGES = [
  ...['systemd', 'systemd-sysv', 'dbus', 'dbus-user-session', 'libpam-systemd', 'kmod', 'procps', 'passwd'],
  ...['runc', 'crun', 'podman', 'conmon', 'slirp4netns', 'uidmap', 'criu', 'apparmor', 'libseccomp2', 'libstdc++6'],
  ...['iproute2', 'iptables', 'nftables', 'busybox-static', 'python3-minimal', 'strace', 'e2fsprogs'],
];

/** Beside what Debian puts there. The service asks the host what to run: see vm-qemu.mjs. */
const FILES = {
  'etc/hostname': 'vm\n',
  'etc/hosts': '127.0.0.1 localhost vm\n',
  'etc/resolv.conf': '',
  'etc/fstab': 'tmpfs /tmp tmpfs mode=1777 0 0\ntmpfs /var/tmp tmpfs mode=1777 0 0\n',
  'etc/subuid': 'tester:100000:65536\n',
  'etc/subgid': 'tester:100000:65536\n',
  'var/lib/systemd/linger/tester': '',
  'etc/systemd/journald.conf.d/tsrun.conf': '[Journal]\nStorage=volatile\n',
  'etc/systemd/system.conf.d/tsrun.conf': '[Manager]\nDefaultTimeoutStartSec=180s\nDefaultTimeoutStopSec=20s\n',
  'etc/systemd/user.conf.d/tsrun.conf': '[Manager]\nDefaultTimeoutStartSec=180s\n',
  // The user manager hands its users the controllers that it may give away; Debian leaves cpu, cpuset and io out.
  'etc/systemd/system/user@.service.d/delegate.conf': '[Service]\nDelegate=cpu cpuset io memory pids\n',
  'etc/systemd/system/tsrun-vm.service': `[Unit]
After=basic.target dbus.service systemd-logind.service systemd-user-sessions.service
Wants=dbus.service systemd-logind.service

[Service]
Type=exec
ExecStart=/usr/local/sbin/tsrun-vm
Delegate=yes
TasksMax=infinity
LimitMEMLOCK=infinity
OOMPolicy=continue
StandardInput=null
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0

[Install]
WantedBy=multi-user.target
`,
  'usr/local/sbin/tsrun-vm': {
    mode: 0o755,
    text: `#!/bin/sh
modprobe virtiofs
mkdir -p /run/tsrun-vm
mount -t virtiofs exchange /run/tsrun-vm && sh /run/tsrun-vm/init
systemctl poweroff --force --force
`,
  },
  // A command of tester, in a scope of its own below the user's manager, with a delegated cgroup.
  'usr/local/bin/as-tester': {
    mode: 0o755,
    text: `#!/bin/sh
exec systemd-run --quiet --user --machine=tester@.host --pipe --wait --collect --property=Delegate=yes \\
	--setenv=PATH="$PATH" --working-directory="$PWD" -- "$@"
`,
  },
};

/** Units that only cost time: nothing is kept, nobody logs in, modules come when they are asked for. */
const MASKED = [
  ...['apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'fstrim.timer', 'e2scrub_all.timer'],
  ...['e2scrub_reap.service', 'serial-getty@ttyS0.service', 'getty@tty1.service', 'getty.target', 'nftables.service'],
  ...['podman.service', 'podman.socket', 'podman-restart.service', 'podman-auto-update.service', 'apparmor.service'],
  ...['podman-auto-update.timer', 'modprobe@.service', 'systemd-modules-load.service', 'kmod-static-nodes.service'],
  ...[
    'systemd-binfmt.service',
    'proc-sys-fs-binfmt_misc.automount',
    'systemd-pstore.service',
    'systemd-sysusers.service',
  ],
  ...['systemd-update-utmp.service', 'systemd-update-utmp-runlevel.service', 'systemd-random-seed.service'],
  ...['systemd-journal-flush.service', 'systemd-firstboot.service', 'systemd-tmpfiles-clean.timer'],
  ...['sys-kernel-debug.mount', 'sys-kernel-tracing.mount', 'sys-fs-fuse-connections.mount', 'dev-hugepages.mount'],
];

/** Why an image cannot be made here, or undefined. */
export function imageMissing() {
  if (existsSync(place())) return undefined;
  if (process.getuid() !== 0) return 'making the disk of the QEMU kernel needs root';
  for (const [command, name] of [
    ['mmdebstrap', 'mmdebstrap'],
    ['mke2fs', 'e2fsprogs'],
  ]) {
    if (!hasCommand(command)) return `${command} is not installed (Debian package ${name})`;
  }
  return undefined;
}

/** { disk, kernel }; makes them when they are not there yet, which takes a minute or two. Throws with the reason. */
export function ensureImage() {
  const directory = place();
  if (!existsSync(directory)) makeImage(directory);
  return { disk: join(directory, 'disk.ext4'), kernel: join(directory, 'vmlinuz') };
}

function place() {
  const cache = process.env.XDG_CACHE_HOME ? join(process.env.XDG_CACHE_HOME, 'tsrun') : '/var/cache/tsrun';
  const node = statSync(process.execPath);
  const parts = [SUITE, SIZE, PACKAGES, FILES, MASKED, process.execPath, process.version, node.size, UNPACK_KERNEL];
  const key = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
  return join(cache, `qemu-${key}`);
}

/** Made beside its place and renamed, so that two that make it at once do not meet half of it. */
function makeImage(directory) {
  process.stderr.write(`making the disk of the QEMU kernel in ${dirname(directory)}: a minute or two, once\n`);
  mkdirSync(dirname(directory), { recursive: true });
  const work = mkdtempSync(join(dirname(directory), 'new-'));
  try {
    const tree = join(work, 'tree');
    makeTree(tree);
    copyFileSync(kernelOf(tree), join(work, 'vmlinuz'));
    must('mke2fs', ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-d', tree, join(work, 'disk.ext4'), SIZE]);
    rmSync(tree, { recursive: true });
    try {
      renameSync(work, directory);
    } catch (error) {
      if (!existsSync(directory)) throw error; // another one was faster
    }
    dropOthers(directory);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * The kernel is unpacked, not installed: its package would want an initramfs and a boot loader. Unpacked over the tree it
 * would replace the symbolic link /lib.
 */
const UNPACK_KERNEL = `set -e; mkdir "$1/kernel"; chroot "$1" sh -ec 'cd /kernel
  apt-get download "$(apt-cache depends linux-image-cloud-amd64 | sed -n "s/.*Depends: \\(linux-image-[0-9].*\\)/\\1/p")"
  dpkg-deb --extract linux-image-*.deb . && mv lib/modules /usr/lib/ && mv boot/* /boot/ && depmod "$(ls /usr/lib/modules)"'
rm -r "$1/kernel"`;

function makeTree(tree) {
  const arguments_ = ['--quiet', '--variant=minbase', `--include=${PACKAGES.join(',')}`];
  for (const place of ['doc', 'man', 'locale', 'info']) {
    arguments_.push(`--dpkgopt=path-exclude=/usr/share/${place}/*`);
  }
  arguments_.push('--skip=cleanup/reproducible', `--customize-hook=${UNPACK_KERNEL}`, SUITE, tree, mirror());
  must('mmdebstrap', arguments_);
  must('chroot', [tree, 'useradd', '--uid', '1000', '--user-group', '--create-home', '--shell', '/bin/sh', 'tester']);
  for (const [path, file] of Object.entries(FILES)) {
    const target = join(tree, path);
    mkdirSync(dirname(target), { recursive: true });
    rmSync(target, { force: true });
    writeFileSync(target, file.text ?? file);
    chmodSync(target, file.mode ?? 0o644);
  }
  for (const unit of MASKED) must('ln', ['-sf', '/dev/null', join(tree, 'etc/systemd/system', unit)]);
  must('ln', ['-s', '../tsrun-vm.service', join(tree, 'etc/systemd/system/multi-user.target.wants/tsrun-vm.service')]);
  mkdirSync(join(tree, dirname(process.execPath)), { recursive: true });
  copyFileSync(process.execPath, join(tree, process.execPath));
}

function kernelOf(tree) {
  const name = readdirSync(join(tree, 'boot')).find((entry) => entry.startsWith('vmlinuz-'));
  if (!name) throw new Error('no kernel in the package linux-image-cloud-amd64');
  return join(tree, 'boot', name);
}

/** The Debian mirror this machine uses, if it uses one. */
function mirror() {
  const places = ['/etc/apt/sources.list'];
  const more = '/etc/apt/sources.list.d';
  if (existsSync(more)) places.push(...readdirSync(more).map((name) => join(more, name)));
  for (const path of places.filter(existsSync)) {
    const found = /\bhttps?:\/\/\S+\/debian\/?(?=\s)/.exec(readFileSync(path, 'utf8').replaceAll(/^#.*$/gm, ''));
    if (found) return found[0];
  }
  return 'http://deb.debian.org/debian';
}

/** Disks of earlier package lists; one that a kernel still runs on stays open until it ends. */
function dropOthers(directory) {
  for (const name of readdirSync(dirname(directory))) {
    const path = join(dirname(directory), name);
    const old = Date.now() - statSync(path).mtimeMs > 7 * 86_400_000;
    if (path !== directory && /^(?:qemu|new)-/.test(name) && old) rmSync(path, { recursive: true, force: true });
  }
}

function must(command, args) {
  const done = capture(command, args, { env: cleanEnv() });
  if (done.status !== 0) throw new Error(`${command}: ${done.stderr.trim().split('\n').slice(-5).join('; ')}`);
}
