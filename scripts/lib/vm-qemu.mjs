// A stock Debian kernel in QEMU, without KVM (a stock kernel may hang in a nested one): systemd, cgroup v2 with every
// controller, time namespaces, AppArmor, user sessions. About ten seconds to a command. Its disk is vm-image.mjs; a run's
// writes are thrown away. The repository is there at its own path, read-only, by virtiofs.
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasCommand, ROOT } from './run.mjs';
import { commandScript, outcomeOf, quote, read, signalGroup, stopOnExit, watch } from './vm-guest.mjs';
import { ensureImage, imageMissing } from './vm-image.mjs';

const BOOT_MS = 240_000;
const CPUS = 2;

/** Debian 12 has it beside QEMU, later ones in the package virtiofsd. */
const VIRTIOFSD = ['/usr/lib/qemu/virtiofsd', '/usr/libexec/virtiofsd'];

/** Why it cannot run here, or undefined. Making the disk may still fail, without a mirror. */
export function qemuMissing() {
  if (process.arch !== 'x64') return 'the QEMU kernel is for x86-64';
  if (!hasCommand('qemu-system-x86_64')) return 'QEMU is not installed (Debian package qemu-system-x86)';
  if (!VIRTIOFSD.some(existsSync)) return 'virtiofsd is not installed (Debian package qemu-system-common)';
  if (process.getuid() !== 0) return 'the QEMU kernel needs root, to share files with it';
  return imageMissing();
}

/** One try; undefined when it did not boot. */
export async function bootQemu(argv, work, options) {
  const image = ensureImage();
  const exchange = join(work, 'exchange');
  rmSync(exchange, { recursive: true, force: true });
  mkdirSync(exchange);
  writeFileSync(join(exchange, 'init'), initScript(argv, options));
  const shares = [
    { tag: 'exchange', directory: exchange },
    { tag: 'repository', directory: ROOT, readonly: true },
    ...(options.share ? [{ tag: 'share', directory: options.share }] : []),
  ].map((share) => ({ ...share, socket: join(work, `${share.tag}.sock`) }));
  const log = openSync(join(work, 'virtiofsd'), 'w');
  const servers = shares.map((share) => serve(share, log));
  closeSync(log);
  const stopServers = stopOnExit(servers);
  try {
    for (const { socket } of shares) await appears(socket, work);
    return await bootWith(shares, image, work, exchange, options);
  } finally {
    for (const server of servers) signalGroup(server);
    stopServers();
  }
}

async function bootWith(shares, image, work, exchange, { timeout, memory, onOutput, boot = 'unified' }) {
  const errors = openSync(join(work, 'qemu'), 'w');
  const child = spawn('qemu-system-x86_64', machine(shares, image, work, memory, boot), {
    stdio: ['ignore', errors, errors],
    detached: true,
  });
  closeSync(errors);
  const stop = stopOnExit([child]);
  const consoleText = () => `${read(join(work, 'qemu'), '')}${read(join(work, 'console'), '')}`;
  // A processor of QEMU's own making takes a wrong turn now and then; the same boot works the next time.
  const panicked = () => /Kernel panic|double fault|Oops: /.test(consoleText());
  const ended = await watch(child, exchange, { timeout, onOutput, bootMs: BOOT_MS, panicked });
  stop();
  return ended === 'no-boot' ? undefined : outcomeOf(exchange, ended, consoleText());
}

/** The repository is bound read-only before it is served: virtiofsd itself knows no such thing. */
function serve({ directory, socket, readonly }, log) {
  const program = VIRTIOFSD.find(existsSync);
  const script = `${readonly ? 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" &&' : ''}
    exec "$3" --socket-path="$2" -o source="$1" -o sandbox=chroot -o cache=auto`;
  return spawn('unshare', ['-m', 'sh', '-c', script, 'sh', directory, socket, program], {
    stdio: ['ignore', log, log],
    detached: true,
  });
}

async function appears(socket, work) {
  for (let tries = 0; !existsSync(socket); tries++) {
    if (tries > 200) throw new Error(`virtiofsd did not start: ${read(join(work, 'virtiofsd'), '').trim()}`);
    await delay(25);
  }
}

/** cx16 off: with it the allocator of the kernel faults at random under TCG, which also makes AVX slower than doing without. */
function machine(shares, image, work, memory, boot) {
  const share = ({ tag, socket }) => [
    ...['-chardev', `socket,id=${tag},path=${socket}`],
    ...['-device', `vhost-user-fs-pci,chardev=${tag},tag=${tag}`],
  ];
  return [
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    ...[
      '-machine',
      'q35,memory-backend=memory',
      '-accel',
      'tcg,thread=multi,tb-size=256',
      '-cpu',
      'max,-cx16,-la57,-avx,-avx2',
    ],
    ...['-smp', String(CPUS), '-m', `${memory}M`],
    ...['-object', `memory-backend-memfd,id=memory,size=${memory}M,share=on`],
    ...['-drive', `file=${image.disk},format=raw,if=none,id=disk,snapshot=on`],
    ...['-device', 'nvme,drive=disk,serial=tsrun'],
    ...['-kernel', image.kernel, '-append', [...KERNEL, ...BOOTS[boot]].join(' ')],
    ...['-serial', `file:${join(work, 'console')}`],
    ...shares.flatMap(share),
  ];
}

const KERNEL = [
  ...['root=/dev/nvme0n1', 'rw', 'console=ttyS0', 'quiet', 'loglevel=4', 'panic=-1', 'mitigations=off'],
  // On a busy host the kernel sees too few ticks of the emulated timer and panics: "IO-APIC + timer doesn't work".
  'no_timer_check',
  ...['systemd.show_status=0', 'systemd.log_target=console', 'systemd.log_level=err'],
];

const APPARMOR = ['apparmor=1', 'security=apparmor'];
const CGROUP_V1 = 'systemd.unified_cgroup_hierarchy=0';

/** What the kernel is told besides, by the name of the boot. A test file says it: NAME.qemu-hybrid.test.ts. */
export const BOOTS = {
  unified: APPARMOR,
  hybrid: [...APPARMOR, CGROUP_V1, 'systemd.legacy_systemd_cgroup_controller=0'],
  legacy: [...APPARMOR, CGROUP_V1, 'systemd.legacy_systemd_cgroup_controller=1'],
};

/** Run by the service of the disk, when systemd is up; tester's manager may still be starting. */
function initScript(argv, { share, modules, env, cwd }) {
  return `
mkdir -p ${quote(ROOT)} && mount -t virtiofs -o ro repository ${quote(ROOT)}
${share ? 'mount -t virtiofs share /mnt' : ''}
${modules.map((name) => `modprobe ${quote(name)}`).join('\n')}
ip link set lo up
${commandScript({ argv, env, cwd, kernel: 'qemu' }, '/run/tsrun-vm')}`;
}
