/**
 * What each op does, in plain words with its arguments: one entry per op, flags by name.
 * print.ts puts these into lines; exec/phrase.ts has the shorter phrases of error messages.
 *
 * Pure.
 */
import { IO_PRIORITY_CLASSES, PERSONALITY_DOMAINS, SCHEDULER_POLICIES } from '../util/linux-policies.js';
import { maskText } from '../util/number-list.js';
import * as name from './names.js';
import type { MountBindOp, MountFsOp, Op, OpenFsOp, OpenSourceOp, OpName, RunHookOp, SchedulerOp } from './op.gen.js';
import {
  ATTR,
  CHDIR,
  CONSOLE,
  DEVICE,
  HOOK,
  LINK,
  MOUNT,
  PHASE,
  RDT,
  SETGROUPS,
  SOURCE,
  STATUS,
  USER,
} from './op.gen.js';
import { CGROUP_TEXTS } from './text-cgroup.js';
import { bit, list, notes, show, when } from './words.js';

type Texts = { readonly [K in OpName]: (op: Extract<Op, { op: K }>) => string };

const NO_SLOT = 0xffff_ffff;

const keyOf = (table: { readonly [name: string]: number }, value: number) =>
  Object.keys(table).find((key) => table[key] === value) ?? String(value);
const hookName = (kind: number) =>
  keyOf(HOOK, kind)
    .toLowerCase()
    .replace(/_(\w)/g, (_, c: string) => c.toUpperCase());
/** What is true from a phase on. */
const PHASES: { readonly [phase: number]: string } = {
  [PHASE.UNSHARED]: 'the time namespace is made',
  [PHASE.MAPPED]: 'the namespaces are set up',
  [PHASE.ROOTFS]: 'the root file system is mounted',
  [PHASE.HOOKED]: 'the hooks of the host have run',
  [PHASE.PREPARED]: 'only the limits are missing',
  [PHASE.LIMITED]: 'the limits are set',
  [PHASE.READY]: 'the container is ready',
};
const phase = (value: number) => PHASES[value] ?? `of phase ${value}`;

const propagation = (flags: bigint) => (flags === 0n ? [] : [`propagation ${name.propagationWord(flags)}`]);

function mountFs(op: MountFsOp): string {
  const source = op.source === op.type || op.source === '' ? '' : ` ${show(op.source)}`;
  return (
    `mount ${show(op.type)}${source} on ${show(op.dest)}` +
    notes(
      name.mountAttrWords(op.attrSet, op.attrClr),
      name.superblockWords(op.sbFlags).map((word) => `superblock ${word}`),
      op.options.map(show),
      propagation(op.propagation),
      when(op.flags, MOUNT.REAL_DIRECTORY, 'only on a real directory'),
      when(op.flags, MOUNT.INHERIT_MODE, 'mode of the directory below'),
      when(op.flags, MOUNT.COPY_UP, "copy the directory's contents up"),
      when(op.flags, MOUNT.BIND_HOST_SYSFS_ON_REFUSAL, "or bind the host's /sys"),
      when(op.flags, MOUNT.BIND_OWN_CGROUP_ON_REFUSAL, 'or bind the own cgroup'),
    )
  );
}

function mountBind(op: MountBindOp): string {
  const below = bit(op.flags, MOUNT.SOURCE_IN_ROOTFS) ? ' of the root file system' : '';
  const source = op.slot === NO_SLOT ? show(op.source) + below : `source ${op.slot}`;
  return (
    `${bit(op.flags, MOUNT.RECURSIVE) ? 'rbind' : 'bind'} ${source} on ${show(op.dest)}` +
    notes(
      name.mountAttrWords(op.attrSet, op.attrClr),
      name.mountAttrWords(op.recSet, op.recClr).map((word) => `r${word}`),
      propagation(op.propagation),
      when(op.flags, MOUNT.INHERIT_MODE, 'mode of the directory below'),
      when(op.flags, MOUNT.COPY_UP, "copy the directory's contents up"),
    )
  );
}

function openSource(op: OpenSourceOp): string {
  const below = bit(op.flags, SOURCE.IN_ROOTFS) ? ' of the root file system' : '';
  return `open mount source ${show(op.path)}${below} as source ${op.slot}${notes(when(op.flags, SOURCE.RECURSIVE, 'recursive'))}`;
}

function openFs(op: OpenFsOp): string {
  const source = op.source === op.type || op.source === '' ? '' : ` ${show(op.source)}`;
  return (
    `make file system ${show(op.type)}${source} as source ${op.slot}` +
    notes(
      name.mountAttrWords(op.attrSet, 0n),
      name.superblockWords(op.sbFlags).map((word) => `superblock ${word}`),
      op.options.map(show),
    )
  );
}

function runHook(op: RunHookOp): string {
  const timeout = op.timeout === 0 ? [] : [`at most ${op.timeout} ms`];
  return (
    `run ${hookName(op.kind)} hook ${show(op.path)}` +
    notes([`argv ${list(op.args)}`], op.env.length === 0 ? [] : [`env ${list(op.env)}`], timeout, [
      `status ${keyOf(STATUS, op.status).toLowerCase()}`,
    ])
  );
}

function groups(blob: Uint8Array): string[] {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  return Array.from({ length: blob.length / 4 }, (_, i) => String(view.getUint32(i * 4, true)));
}

/** "run" or, on one line each, the lines of an id map. */
const mapLines = (map: string) => map.trim().split('\n').join(', ');

function scheduler(op: SchedulerOp): string {
  const times = op.policy === SCHEDULER_POLICIES.SCHED_DEADLINE ? `${op.runtime}/${op.deadline}/${op.period} ns` : '';
  return (
    `schedule by ${keyOf(SCHEDULER_POLICIES, op.policy)}` +
    notes(
      op.nice === 0 ? [] : [`nice ${op.nice}`],
      op.priority === 0 ? [] : [`priority ${op.priority}`],
      times === '' ? [] : [times],
      name.schedulerFlagWords(op.flags),
    )
  );
}

const nodes = (mask: Uint8Array) => (mask.length === 0 ? [] : [`nodes ${maskText(mask)}`]);

const TEXTS: Texts = {
  STATE_CREATE: () => 'make the state directory',
  STATE_FILE: (op) => `write ${show(op.name)} there, mode ${name.octal(op.mode)}`,
  STATE_PLAN: () => 'keep this plan there',
  EXEC_FIFO: (op) => `make exec.fifo there${op.uid === 0xffff_ffff ? '' : `, owner ${op.uid}:${op.gid}`}`,
  OPEN_NAMESPACE: (op) => `open ${name.namespaceWords(op.type)} namespace ${show(op.path)} as namespace ${op.slot}`,
  OPEN_SOURCE: openSource,
  CONSOLE_CONNECT: () => 'connect to the console socket',
  ...CGROUP_TEXTS,
  STAGE: () => 'fork a process that may change namespaces',
  JOIN_NAMESPACE: (op) => `join ${name.namespaceWords(op.type)} namespace ${op.slot}`,
  JOIN_INIT: (op) => `join namespaces of the container: ${name.namespaceWords(op.namespaces)}`,
  CLONE: (op) =>
    op.namespaces === 0n
      ? 'fork the process'
      : `fork the process into new namespaces: ${name.namespaceWords(op.namespaces)}`,
  RECORD_INIT: () => "record the process' pid and start time",
  ID_MAPS: (op) => {
    const kinds = { user: op.uidMap, group: op.gidMap };
    const maps = Object.entries(kinds).flatMap(([kind, map]) => (map === '' ? [] : [`${kind} ids ${mapLines(map)}`]));
    const setgroups = op.setgroups === SETGROUPS.UNTOUCHED ? '' : keyOf(SETGROUPS, op.setgroups).toLowerCase();
    return `map ${maps.join(' and ')}${setgroups === '' ? '' : ` (setgroups ${setgroups})`}`;
  },
  ID_MAP_CHECK: (op) => `see that ${op.file} of the process is ${mapLines(op.map)}`,
  ID_MAP_TOOL: (op) => `have ${show(op.path)} map ids: ${op.ranges.join(' ')}`,
  OOM_SCORE_ADJ: (op) => `set oom_score_adj to ${op.value}`,
  RLIMIT: (op) =>
    `limit ${name.rlimitName(op.resource)} to ${name.rlimitValue(op.soft)}, hard ${name.rlimitValue(op.hard)}`,
  PID_FILE: () => 'write the pid file, if one is asked for',
  EXIT_FILE: (op) => `stay as the parent of the container and write to ${show(op.path)} how it ended`,
  NOTIFY_DIRECTORY: (op) => `make the directory of the notify socket there, as source ${op.slot}`,
  LISTENER_PAGE: () => 'share a page with the new process, for the number of its notify descriptor',
  SEND_LISTENER: (op) => `send the seccomp notify descriptor to the agent at ${show(op.path)}`,
  SEND_PIDFD: (op) => `send a pidfd of the process to ${show(op.path)} (${show(op.text)})`,
  NOTIFY: (op) => `tell the other side that ${phase(op.phase)}`,
  AWAIT: (op) => `wait until ${phase(op.phase)}`,
  RUN_HOOK: runHook,
  BECOME_ROOT: (op) =>
    `become root of the user namespace${bit(op.flags, USER.SKIP_GROUPS) ? ', groups unchanged' : ''}`,
  NEW_SESSION: () => 'start a session',
  SESSION_KEYRING: () => 'join a session keyring',
  PRIVATE_PROC: () => 'make a private procfs',
  LOOPBACK_UP: () => 'set the loopback interface up',
  HOSTNAME: (op) => `set the host name ${show(op.name)}`,
  DOMAINNAME: (op) => `set the domain name ${show(op.name)}`,
  PROPAGATION: (op) =>
    `make / ${name.propagationWord(op.propagation)}${notes(when(op.flags, ATTR.RECURSIVE, 'recursive'))}`,
  OPEN_ROOTFS: (op) =>
    `open the root file system ${op.slot === NO_SLOT ? show(op.path) : `${show(op.path)} from source ${op.slot}`}`,
  MOUNT_FS: mountFs,
  MOUNT_LEGACY: (op) =>
    `mount ${show(op.type)} ${show(op.source)} on ${show(op.dest)} by mount(2)` +
    notes(
      name.mountFlagWords(op.msFlags),
      op.data === '' ? [] : op.data.split(',').map(show),
      propagation(op.propagation),
    ),
  MOUNT_BIND: mountBind,
  SET_MOUNT_ATTR: (op) =>
    `change mount ${show(op.dest)}` +
    notes(
      name.mountAttrWords(op.attrSet, op.attrClr),
      propagation(op.propagation),
      when(op.flags, ATTR.RECURSIVE, 'recursive'),
    ),
  REMOUNT: (op) =>
    `reconfigure the file system on ${show(op.dest)}${notes(name.superblockWords(op.sbFlags), op.options.map(show))}`,
  MAKE_DEVICE: (op) =>
    `make ${name.nodeWord(op.mode)} device ${show(op.path)} ${op.major}:${op.minor}, mode ${name.octal(op.mode)}, ` +
    `owner ${op.uid}:${op.gid}${notes(when(op.flags, DEVICE.BIND, "bind of the host's"))}`,
  MAKE_SYMLINK: (op) =>
    `make symlink ${show(op.path)} to ${show(op.target)}` +
    notes(when(op.flags, LINK.REPLACE, 'replace'), when(op.flags, LINK.IF_TARGET_EXISTS, 'if that exists')),
  OPEN_CONSOLE: (op) =>
    `open a pty of the container as stdio, owner ${op.uid}:${op.gid === NO_SLOT ? 'unchanged' : op.gid}` +
    notes(op.width === 0 ? [] : [`${op.width}x${op.height}`], when(op.flags, CONSOLE.BIND, 'bind on /dev/console')),
  MASK_PATH: (op) => `mask ${show(op.path)}${notes(op.label === '' ? [] : [`label ${show(op.label)}`])}`,
  READONLY_PATH: (op) => `make ${show(op.path)} read-only`,
  SYSCTL: (op) => `set sysctl ${show(op.path)} to ${show(op.value)}`,
  PIVOT_ROOT: () => "make the root file system /, detach the host's (pivot_root)",
  ATTACH_ROOTFS: (op) => `bind ${show(op.path)} on itself, in the host's tree`,
  DETACH_ROOTFS: (op) => `detach the mount on ${show(op.path)} with all below`,
  CHROOT: () => 'make the root file system / (chroot)',
  OPEN_INIT_ROOT: () => "open the root of the container's init",
  MOVE_ROOT: () => 'make the root file system / (MS_MOVE and chroot)',
  CONTAINER_NULL: () => "reopen stdio that is /dev/null on the container's",
  STDIO_OWNER: (op) => `give stdio to uid ${op.uid}`,
  MAKE_DIRECTORY: (op) => `make directory ${show(op.path)}`,
  UMASK: (op) => `set umask ${name.octal(op.mode)}`,
  APPARMOR: (op) => `set AppArmor profile ${show(op.profile)}`,
  SELINUX_KEYS: (op) => (op.label === '' ? 'let the policy label new keys' : `label new keys ${show(op.label)}`),
  SELINUX_EXEC: (op) => `set SELinux label ${show(op.label)}`,
  NO_NEW_PRIVS: () => 'set no_new_privs',
  SECCOMP: (op) =>
    `load a seccomp filter (${op.filter.length / 8} instructions${op.flags === 0 ? '' : `, flags 0x${op.flags.toString(16)}`})`,
  BOUNDING_SET: (op) => `bounding capabilities: ${name.capabilityWords(op.mask)}`,
  SET_USER: (op) =>
    `become uid ${op.uid}, gid ${op.gid}${bit(op.flags, USER.SKIP_GROUPS) ? ', groups unchanged' : `, groups ${groups(op.groups).join(', ') || 'none'}`}`,
  CAPABILITIES: (op) =>
    op.effective === op.permitted && op.inheritable === 0n
      ? `capabilities: ${name.capabilityWords(op.effective)}`
      : `capabilities: effective ${name.capabilityWords(op.effective)}; permitted ${name.capabilityWords(op.permitted)}; ` +
        `inheritable ${name.capabilityWords(op.inheritable)}`,
  AMBIENT: (op) => `ambient capabilities: ${name.capabilityWords(op.mask)}`,
  CHDIR: (op) => `change to directory ${show(op.path)}${notes(when(op.flags, CHDIR.FIRST_TRY, 'first try, as root'))}`,
  FIND_PROGRAM: (op) => `find program ${show(op.file)}${op.file.includes('/') ? '' : ` in ${show(op.path)}`}`,
  HOME: (op) => `set HOME from /etc/passwd for uid ${op.uid}`,
  CLOSE_FDS: () => 'close other file descriptors at exec',
  WAIT_START: () => 'wait for start',
  EXEC: (op) =>
    op.args.length === 0
      ? 'execute nothing: fail'
      : `execute ${list(op.args)}${notes(op.env.length === 0 ? [] : [`env ${list(op.env)}`])}`,
  NOT_DUMPABLE: () => 'refuse ptrace',
  UNSHARE_TIME: () => 'make a time namespace for later',
  TIME_OFFSETS: (op) => `set clock offsets ${mapLines(op.offsets)} (seconds, nanoseconds)`,
  ENTER_TIME: () => 'enter that time namespace',
  CPU_AFFINITY: (op) => (op.cpus.length === 0 ? 'run on all CPUs of the cgroup' : `run on CPUs ${maskText(op.cpus)}`),
  SCHEDULER: scheduler,
  IO_PRIORITY: (op) => `set I/O priority ${keyOf(IO_PRIORITY_CLASSES, op.ioClass)} ${op.priority}`,
  PERSONALITY: (op) => `set personality ${keyOf(PERSONALITY_DOMAINS, op.persona)}`,
  MEMORY_POLICY: (op) => `set memory policy ${name.memoryPolicyWords(op.mode)}${notes(nodes(op.nodes))}`,
  RDT_GROUP: (op) =>
    `${bit(op.flags, RDT.MUST_EXIST) ? 'open' : 'open or make'} class of service ${op.group === '' ? '/' : show(op.group)} in ${show(op.mount)}`,
  RDT_SCHEMATA: (op) =>
    `${bit(op.flags, RDT.REPLACE) ? 'change its schemata to' : 'give it these schemata, or compare them:'} ${op.lines.map(mapLines).join(', ')}`,
  RDT_MONITOR: (op) =>
    `${bit(op.flags, RDT.MUST_EXIST) ? 'open' : 'open or make'} its monitoring group ${show(op.name)}`,
  RDT_JOIN: () => 'put the process into the class of service',
  RDT_REMOVE: (op) => `remove what create made in ${show(op.mount)}`,
  NET_DEVICE: (op) =>
    `move network device ${show(op.name)} in${op.newName === op.name ? '' : ` as ${show(op.newName)}`}`,
  NET_DEVICES_BACK: () => 'if create fails, move network devices back',
  STATE_REMOVE: () => 'remove the state directory',
  ADOPT: () => 'take over the process that CRIU restores',
  RESTORED: () => 'wait until CRIU has restored all processes',
  CRIU_SOCKET: (op) => `make the socket to CRIU, open the images in ${show(op.images)}, the log in ${show(op.work)}`,
  MAKE_MOUNTPOINT: (op) => `make the mount point ${show(op.dest)} like ${show(op.source)} if it is missing`,
  JOIN_MOUNTS: (op) => `fork a process into namespaces of the container: ${name.namespaceWords(op.namespaces)}`,
  STATE_EXPECT: (op) => `check that ${show(op.name)} there is as it was read`,
  OPEN_MOUNT: (op) => `open mount ${op.mountId} on ${show(op.dest)} as source ${op.slot}`,
  UNMOUNT: (op) => `unmount source ${op.slot}`,
  OPEN_USERNS: (op) =>
    `make user namespace ${op.slot} for id-mapped mounts: user ids ${mapLines(op.uidMap)} and group ids ${mapLines(op.gidMap)}`,
  OPEN_FS: openFs,
  IDMAP_MOUNT: (op) =>
    `map the ids of source ${op.slot} as in user namespace ${op.namespace}${notes(when(op.flags, ATTR.RECURSIVE, 'recursive'))}`,
  SET_FILE_LABEL: (op) => `set the SELinux label of ${show(op.path)} to ${show(op.label)}`,
};

export function opText(op: Op): string {
  // The table is exhaustive by its type; the cast joins the op with its own entry.
  return (TEXTS[op.op] as (op: Op) => string)(op);
}
