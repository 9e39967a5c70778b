/**
 * What an op does, in the words of a person who wrote the config: `mount 'tmpfs' on '/run'`. The failure message is this
 * phrase and the errno.
 *
 * Pure.
 */

import { namespaceWords, rlimitName } from '../plan/names.js';
import type { Op } from '../plan/op.gen.js';
import { maskText } from '../util/number-list.js';
import { quoteName as q } from '../util/quote.js';

type Phrases = { readonly [K in Op['op']]: (op: Extract<Op, { op: K }>) => string };

const HOOK_NAMES = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'] as const;

/** "poststop" for HOOK.POSTSTOP */
export function hookName(kind: number): string {
  return HOOK_NAMES[kind] ?? `hook kind ${kind}`;
}

const mountSource = (source: string) => (source === '' ? 'its source' : q(source));

const PHRASES: Phrases = {
  STATE_CREATE: () => 'make the state directory',
  STATE_FILE: (op) => `write ${q(op.name)} of the state directory`,
  STATE_PLAN: () => 'keep the plan in the state directory',
  EXEC_FIFO: () => 'make exec.fifo',
  OPEN_NAMESPACE: (op) => `open the ${namespaceWords(op.type)} namespace ${q(op.path)}`,
  OPEN_SOURCE: (op) => `open the mount source ${q(op.path)}`,
  CONSOLE_CONNECT: () => 'connect to the console socket',
  CGROUP_CREATE: (op) => `make the cgroup ${q(op.path)} below ${q(op.mount)}`,
  CGROUP_WRITE: (op) => `write ${q(op.value)} to ${q(op.file)} of the cgroup`,
  CGROUP_WRITE_EITHER: (op) => `write ${q(op.value)} to ${q(op.file)} of the cgroup`,
  CGROUP_ENTER: (op) => `open the cgroup ${q(op.sub === '' ? op.path : `${op.path}/${op.sub}`)} below ${q(op.mount)}`,
  CGROUP_OPEN: (op) => `open the cgroup ${q(op.path)} below ${q(op.mount)}`,
  CGROUP_CREATE_V1: (op) => `make the cgroup ${q(op.path)} below ${q(op.mount)}`,
  CGROUP_OPEN_V1: (op) => `open the cgroup ${q(op.path)} below ${q(op.mount)}`,
  CGROUP_JOIN: () => 'move the process into the cgroup',
  CGROUP_DEVICES: () => 'attach the device filter to the cgroup',
  SYSTEMD_CONNECT: () => 'connect to systemd',
  SYSTEMD_START_UNIT: (op) => `have systemd start ${q(op.unit)}`,
  SYSTEMD_SET_PROPERTIES: (op) => `have systemd change ${q(op.unit)}`,
  SYSTEMD_ATTACH: (op) => `have systemd move the process into ${q(op.unit)}`,
  SYSTEMD_STOP_UNIT: (op) => `have systemd stop ${q(op.unit)}`,
  CGROUP_ADOPT: (op) => `use the cgroup ${q(op.path)} that systemd made`,
  CGROUP_DELEGATE: (op) => `give the cgroup to uid ${op.uid}`,
  UNSHARE_CGROUP: () => 'make the cgroup namespace',
  STAGE: () => 'start the process that joins namespaces',
  JOIN_NAMESPACE: (op) => `join the ${namespaceWords(op.type)} namespace`,
  JOIN_INIT: () => "join the container's namespaces",
  CLONE: (op) => `make the namespaces (${namespaceWords(op.namespaces)}) and the first process`,
  RECORD_INIT: () => "record the container's pid",
  ID_MAPS: () => "write the user namespace's id maps",
  ID_MAP_CHECK: (op) => `compare ${op.file} of the user namespace that is joined`,
  ID_MAP_TOOL: (op) => `run ${q(op.path)} for the ids ${op.ranges.join(' ')}`,
  OOM_SCORE_ADJ: (op) => `set oom_score_adj to ${op.value}`,
  RLIMIT: (op) => `set ${rlimitName(op.resource)} to ${op.soft}:${op.hard}`,
  PID_FILE: () => 'write the pid file',
  EXIT_FILE: () => 'prepare the exit file',
  NOTIFY_DIRECTORY: () => 'make the directory of the notify socket',
  LISTENER_PAGE: () => 'share a page with the first process',
  SEND_LISTENER: (op) => `send the seccomp notify descriptor to the agent at ${q(op.path)}`,
  SEND_PIDFD: (op) => `send a pidfd to ${q(op.path)}`,
  NOTIFY: () => 'tell the other side',
  AWAIT: () => 'wait for the other side',
  RUN_HOOK: (op) => `run the ${hookName(op.kind)} hook ${q(op.path)}`,
  BECOME_ROOT: () => 'become root of the user namespace',
  NEW_SESSION: () => 'start a session',
  SESSION_KEYRING: () => 'join a session keyring',
  PRIVATE_PROC: () => 'make a private procfs',
  LOOPBACK_UP: () => 'set the loopback interface up',
  HOSTNAME: (op) => `set the host name ${q(op.name)}`,
  DOMAINNAME: (op) => `set the domain name ${q(op.name)}`,
  PROPAGATION: () => 'set the propagation of "/"',
  OPEN_ROOTFS: (op) => `open the root file system ${q(op.path)}`,
  MOUNT_FS: (op) => `mount ${q(op.type)} on ${q(op.dest)}`,
  MOUNT_LEGACY: (op) => `mount ${q(op.type)} on ${q(op.dest)}`,
  MOUNT_BIND: (op) => `bind ${mountSource(op.source)} on ${q(op.dest)}`,
  SET_MOUNT_ATTR: (op) => `change the mount flags of ${q(op.dest)}`,
  REMOUNT: (op) => `remount ${q(op.dest)}`,
  MAKE_DEVICE: (op) => `make the device ${q(op.path)}`,
  MAKE_SYMLINK: (op) => `make the link ${q(op.path)}`,
  OPEN_CONSOLE: () => 'open a console',
  MASK_PATH: (op) => `mask ${q(op.path)}`,
  READONLY_PATH: (op) => `make ${q(op.path)} read-only`,
  SYSCTL: (op) => `write sysctl ${q(op.path)}`,
  PIVOT_ROOT: () => 'pivot_root into the root file system',
  ATTACH_ROOTFS: (op) => `bind the root file system ${q(op.path)}`,
  DETACH_ROOTFS: (op) => `detach the root file system ${q(op.path)}`,
  CHROOT: () => 'chroot to the root file system',
  OPEN_INIT_ROOT: () => "open the container's root",
  MOVE_ROOT: () => 'move the root file system to "/"',
  CONTAINER_NULL: () => "reopen stdio on the container's /dev/null",
  STDIO_OWNER: (op) => `give stdio to uid ${op.uid}`,
  MAKE_DIRECTORY: (op) => `make the directory ${q(op.path)}`,
  UMASK: () => 'set the umask',
  APPARMOR: (op) => `set the AppArmor profile ${q(op.profile)}`,
  SELINUX_KEYS: (op) => `give new keys the SELinux label ${q(op.label)}`,
  SELINUX_EXEC: (op) => `set the SELinux label ${q(op.label)}`,
  NO_NEW_PRIVS: () => 'set no_new_privs',
  SECCOMP: () => 'load the seccomp filter',
  BOUNDING_SET: () => 'drop capabilities from the bounding set',
  SET_USER: (op) => `become uid ${op.uid} gid ${op.gid}`,
  CAPABILITIES: () => 'set the capabilities',
  AMBIENT: () => 'raise the ambient capabilities',
  CHDIR: (op) => `change to the directory ${q(op.path)}`,
  FIND_PROGRAM: (op) => `find the program ${q(op.file)}`,
  HOME: () => 'look HOME up in /etc/passwd',
  CLOSE_FDS: () => 'close file descriptors',
  WAIT_START: () => 'wait for start',
  EXEC: (op) => `execute ${q(op.args[0] ?? '')}`,
  NOT_DUMPABLE: () => 'become undumpable',
  UNSHARE_TIME: () => 'make a time namespace',
  TIME_OFFSETS: (op) => `set the clock offsets ${q(op.offsets.trim().replace(/\n/g, ', '))}`,
  ENTER_TIME: () => 'enter the time namespace',
  CPU_AFFINITY: (op) => `set the CPU affinity to ${q(maskText(op.cpus))}`,
  SCHEDULER: () => 'set the scheduling policy',
  IO_PRIORITY: () => 'set the I/O priority',
  PERSONALITY: () => 'set the personality',
  MEMORY_POLICY: () => 'set the memory policy',
  RDT_GROUP: (op) => `open the class of service ${q(op.group === '' ? '/' : op.group)} in ${q(op.mount)}`,
  RDT_SCHEMATA: (op) => `write schemata ${q(op.lines.map((line) => line.trim()).join(', '))}`,
  RDT_MONITOR: () => 'open the monitoring group',
  RDT_JOIN: () => 'put the process into the class of service',
  RDT_REMOVE: () => 'remove the class of service',
  NET_DEVICE: (op) => `move the network device ${q(op.name)}${op.newName === op.name ? '' : ` as ${q(op.newName)}`}`,
  NET_DEVICES_BACK: () => 'move the network devices back',
  CGROUP_KILL: () => "kill the cgroup's processes",
  CGROUP_KILL_V1: () => "kill the cgroup's processes",
  CGROUP_REMOVE: (op) => `remove the cgroup ${q(op.path)}`,
  JOIN_MOUNTS: () => "enter the container's mount namespace",
  STATE_EXPECT: (op) => `compare ${q(op.name)}`,
  OPEN_MOUNT: (op) => `look for the mount on ${q(op.dest)}`,
  UNMOUNT: () => 'unmount',
  OPEN_USERNS: () => 'make a user namespace for id-mapped mounts',
  OPEN_FS: (op) => `mount ${q(op.type)}`,
  IDMAP_MOUNT: () => 'map the ids of the mount',
  SET_FILE_LABEL: (op) => `set the SELinux label of ${q(op.path)}`,
  STATE_REMOVE: () => 'remove the state directory',
  ADOPT: () => 'take over the process CRIU restores',
  RESTORED: () => 'wait until CRIU is done',
  CRIU_SOCKET: (op) => `open the images in ${q(op.images)}`,
  MAKE_MOUNTPOINT: (op) => `make the mount point ${q(op.dest)}`,
};

export function describeOp(op: Op): string {
  // The table is exhaustive by its type; the cast joins the op with its own entry.
  return (PHRASES[op.op] as (op: Op) => string)(op);
}
