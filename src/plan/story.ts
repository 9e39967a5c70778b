/**
 * A plan told to somebody who wants to learn what a container is: the phases of its life, and for each op one sentence on
 * what it is for. What exactly it does is text.ts's part. A new op needs its line here.
 *
 * Pure: data.
 */
import type { Op, OpName } from './op.gen.js';

export interface Phase {
  readonly title: string;
  /** What happens in it and why, in one sentence. */
  readonly sentence: string;
}

export const PHASES = {
  prepare: {
    title: 'Open what the host lends',
    sentence: 'What the container takes over from the host is opened while nothing has been changed yet.',
  },
  record: {
    title: 'Write down what is going to be made',
    sentence: 'The record comes before the first effect, so that "tsrun delete" can undo everything, whatever happens.',
  },
  cgroup: {
    title: 'Set limits',
    sentence: 'A cgroup is how the kernel counts and limits what a group of processes uses: memory, CPU, processes.',
  },
  clone: {
    title: 'Make the first process, in namespaces of its own',
    sentence:
      'A container is a process whose namespaces give it its own view: other pids, mounts, network, host name than the host.',
  },
  attend: {
    title: 'Look after the new process from outside',
    sentence:
      'Some of its properties only a process outside of it may set; the two wait for each other where they must.',
  },
  settle: {
    title: 'The new process settles in',
    sentence: 'It cuts its ties to the session and the mounts of whoever started it.',
  },
  files: {
    title: 'Build the file system',
    sentence:
      'The root file system of the image becomes a mount, and the kernel file systems and binds are put into it.',
  },
  devices: {
    title: 'Fill /dev',
    sentence: 'Programs expect a few device nodes; all others of the host stay out of reach.',
  },
  protect: {
    title: 'Hide and protect',
    sentence: 'What /proc and /sys tell about the whole machine is hidden or made read-only.',
  },
  enter: {
    title: 'Go in and shut the door',
    sentence: 'From here on "/" is the container\'s; the tree of the host is gone from its view.',
  },
  privileges: {
    title: 'Give up privileges',
    sentence: 'What the program does not need is dropped for good, last of all the right to set things up.',
  },
  program: {
    title: 'Become the program',
    sentence: 'The process waits until "tsrun start" lets it, and then executes the program in its own place.',
  },
  after: {
    title: 'After the program has started',
    sentence: 'The start command does the rest while the program runs already.',
  },
  remove: {
    title: 'Take it down',
    sentence: 'Whatever create made is removed; nothing is left on the host.',
  },
} as const satisfies { readonly [name: string]: Phase };

export type PhaseName = keyof typeof PHASES;

interface Story<O extends Op> {
  /** same: that of the op before it, because this op occurs in several. */
  readonly phase: PhaseName | 'same';
  readonly why: string | ((op: O) => string);
}

type Stories = { readonly [K in OpName]: Story<Extract<Op, { op: K }>> };

/** What a file system is there for, by its type; engines mount all of these. */
const FILE_SYSTEMS: { readonly [type: string]: string } = {
  proc: 'ps and many others read /proc; in a pid namespace it shows the processes of the container only.',
  sysfs: 'The kernel shows devices and drivers here, and the network interfaces of its network namespace.',
  tmpfs: 'A tmpfs lies in memory and is gone with the container.',
  devpts: 'Terminals live here; a new instance has none of the host.',
  mqueue: 'POSIX message queues belong to the ipc namespace; this shows them as files.',
  cgroup: 'The container sees the limits it lives under.',
  cgroup2: 'The container sees the limits it lives under.',
  overlay: 'Read-only layers of an image with a writable one on top look like one tree.',
};

const OTHER_FILE_SYSTEM = 'The config asks for this file system there.';

const STORIES: Stories = {
  OPEN_NAMESPACE: {
    phase: 'prepare',
    why: 'A namespace that exists already is shared, as the containers of a pod share their network.',
  },
  OPEN_SOURCE: { phase: 'same', why: 'Once the process is inside, this directory of the host is out of its reach.' },
  CONSOLE_CONNECT: { phase: 'prepare', why: 'The caller gets its end of the terminal over this socket.' },
  LISTENER_PAGE: {
    phase: 'prepare',
    why: 'Once its seccomp filter is loaded, a store to shared memory is the one thing it can do without a system call.',
  },
  STATE_CREATE: { phase: 'record', why: 'All that tsrun knows of the container is kept in this directory.' },
  STATE_PLAN: { phase: 'record', why: 'start and delete carry out the parts of the plan that are theirs.' },
  STATE_FILE: { phase: 'record', why: 'exec needs the config as it was, whatever becomes of the bundle.' },
  EXIT_FILE: { phase: 'record', why: 'Only the parent of a process learns how it ended, so one has to stay.' },
  NOTIFY_DIRECTORY: {
    phase: 'record',
    why: 'The program says here that it is ready; whoever started the container as a service wants to know.',
  },
  EXEC_FIFO: { phase: 'record', why: 'The first process blocks on this pipe until start opens its other end.' },
  CGROUP_CREATE: {
    phase: 'cgroup',
    why: 'The processes of the container are in this group from their first moment on.',
  },
  CGROUP_WRITE: { phase: 'cgroup', why: 'Each limit is a file of the cgroup.' },
  CGROUP_WRITE_EITHER: { phase: 'cgroup', why: 'Kernels name this limit differently.' },
  CGROUP_DEVICES: {
    phase: 'cgroup',
    why: 'A small program in the kernel decides which device nodes may be opened, whoever makes them.',
  },
  CGROUP_DELEGATE: { phase: 'cgroup', why: 'Its root may divide what it was given among cgroups of its own.' },
  CGROUP_ADOPT: { phase: 'cgroup', why: 'From here on the limits are set as in any other cgroup.' },
  SYSTEMD_CONNECT: { phase: 'same', why: 'On this host systemd owns the tree of cgroups; it is asked over D-Bus.' },
  SYSTEMD_START_UNIT: {
    phase: 'cgroup',
    why: 'A scope is a unit around a process that somebody else has started; systemd moves the process into its cgroup.',
  },
  SYSTEMD_SET_PROPERTIES: { phase: 'cgroup', why: 'systemd must know the limits, or it would write its own again.' },
  SYSTEMD_ATTACH: { phase: 'cgroup', why: 'A user may not move it there himself; systemd may.' },
  SYSTEMD_STOP_UNIT: { phase: 'remove', why: 'With the unit its cgroup goes, and the name is free again.' },
  UNSHARE_CGROUP: { phase: 'settle', why: 'It begins at the cgroup of its maker, so it is made after the move.' },
  CGROUP_CREATE_V1: {
    phase: 'cgroup',
    why: 'This host still binds controllers to hierarchies of cgroup v1: the container gets a group in each of them.',
  },
  CGROUP_OPEN_V1: { phase: 'cgroup', why: 'In cgroup v1 each hierarchy has a group of the container.' },
  CGROUP_ENTER: { phase: 'cgroup', why: 'The new process lives under the limits of this cgroup.' },
  CGROUP_OPEN: { phase: 'cgroup', why: 'The new process lives under the limits of the container.' },
  STAGE: {
    phase: 'clone',
    why: 'Joining namespaces changes a process for good, so a short-lived one does it and makes the first process.',
  },
  JOIN_NAMESPACE: { phase: 'clone', why: 'The container shares this view with others.' },
  JOIN_INIT: { phase: 'clone', why: 'The new process sees what the processes of the container see.' },
  CLONE: { phase: 'clone', why: 'This is the moment at which the container begins to exist.' },
  RECORD_INIT: { phase: 'attend', why: 'With its start time the pid names this process and no later one.' },
  CGROUP_JOIN: { phase: 'attend', why: 'Only the group of cgroup v2 can be given to a process as it is made.' },
  ID_MAPS: { phase: 'attend', why: 'Root of the container is an ordinary user of the host.' },
  ID_MAP_CHECK: { phase: 'attend', why: 'Ids computed from the config must be those of the namespace it joins.' },
  ID_MAP_TOOL: { phase: 'attend', why: 'Other ids than the own are mapped as far as /etc/subuid grants them.' },
  OOM_SCORE_ADJ: { phase: 'attend', why: 'When memory runs out, the kernel kills high scores first.' },
  RLIMIT: { phase: 'attend', why: 'Limits of single processes, as ulimit sets them.' },
  SEND_LISTENER: {
    phase: 'attend',
    why: 'The agent decides, call by call, what becomes of the system calls that the profile leaves to it.',
  },
  SEND_PIDFD: { phase: 'attend', why: 'Unlike a pid it can never come to mean another process.' },
  PID_FILE: { phase: 'attend', why: 'Engines read the pid from here.' },
  NOTIFY: { phase: 'same', why: 'The process on the other side of the fence waits for this.' },
  AWAIT: { phase: 'same', why: 'What follows needs what the other side does first.' },
  RUN_HOOK: { phase: 'same', why: 'A program of the engine: it gets the state of the container on its stdin.' },
  NOT_DUMPABLE: { phase: 'settle', why: 'Processes in a joined namespace must not trace this one (CVE-2016-9962).' },
  BECOME_ROOT: { phase: 'settle', why: 'The id maps are written: now it can be root inside.' },
  NEW_SESSION: { phase: 'settle', why: "Signals of the caller's terminal no longer reach it." },
  SESSION_KEYRING: { phase: 'settle', why: "Keys of the caller's session are none of the container's business." },
  PRIVATE_PROC: { phase: 'settle', why: 'The runtime trusts only a /proc that nothing in the image can cover.' },
  PROPAGATION: { phase: 'settle', why: 'Mounts of the container must not travel back to the host.' },
  LOOPBACK_UP: { phase: 'settle', why: 'A new network namespace has only lo, and that is down.' },
  OPEN_ROOTFS: {
    phase: 'files',
    why: 'Every path from here on is resolved below this directory, whatever symlinks the image has.',
  },
  MOUNT_FS: { phase: 'files', why: ({ type }) => FILE_SYSTEMS[type] ?? OTHER_FILE_SYSTEM },
  MOUNT_LEGACY: { phase: 'files', why: ({ type }) => FILE_SYSTEMS[type] ?? OTHER_FILE_SYSTEM },
  MOUNT_BIND: { phase: 'files', why: 'A file or directory of the host appears in the container too.' },
  SET_MOUNT_ATTR: {
    phase: 'same',
    why: 'Now that everything is in place, the mount can be closed for writing or executing.',
  },
  REMOUNT: { phase: 'files', why: 'A file system that is there already gets other options.' },
  MAKE_DEVICE: { phase: 'devices', why: 'A device node is a number; the driver behind it is in the kernel.' },
  MAKE_SYMLINK: { phase: 'devices', why: 'Programs know these under more than one name.' },
  OPEN_CONSOLE: { phase: 'devices', why: 'The program gets a terminal that belongs to the container.' },
  MAKE_DIRECTORY: { phase: 'protect', why: 'The program starts there, so it must be there.' },
  READONLY_PATH: { phase: 'protect', why: 'Writing here would change settings of the whole machine.' },
  MASK_PATH: { phase: 'protect', why: 'What is in there is about the whole machine, or leads to its memory.' },
  SYSCTL: { phase: 'protect', why: 'Kernel parameters of its own namespaces a container may choose.' },
  PIVOT_ROOT: { phase: 'enter', why: 'Unlike chroot it leaves no way back: the old root is detached.' },
  ATTACH_ROOTFS: {
    phase: 'prepare',
    why: "Without a mount namespace of its own the container lives in the host's tree.",
  },
  DETACH_ROOTFS: { phase: 'remove', why: "What was mounted in the host's tree must not stay there." },
  CHROOT: { phase: 'enter', why: 'Without a mount namespace of its own nothing can be pivoted.' },
  OPEN_INIT_ROOT: { phase: 'prepare', why: 'No namespace leads to the root of a chroot.' },
  MOVE_ROOT: { phase: 'enter', why: 'A ramdisk cannot be pivoted away from, so the new root is moved over it.' },
  CONTAINER_NULL: { phase: 'enter', why: 'No descriptor of the host must stay open.' },
  HOSTNAME: { phase: 'enter', why: 'The uts namespace has a name of its own.' },
  DOMAINNAME: { phase: 'enter', why: 'The uts namespace has an NIS domain of its own.' },
  STDIO_OWNER: { phase: 'enter', why: 'The user of the container may open /dev/stdout again.' },
  UMASK: { phase: 'privileges', why: 'It decides the permissions of files that the program makes.' },
  APPARMOR: { phase: 'privileges', why: 'From execve on the profile confines the program.' },
  SELINUX_KEYS: { phase: 'settle', why: 'The keyring is for those that bear the label of the program.' },
  SELINUX_EXEC: { phase: 'privileges', why: 'From execve on the label confines the program.' },
  NO_NEW_PRIVS: { phase: 'privileges', why: 'No set-user-id program can give more rights than there are now.' },
  SECCOMP: { phase: 'same', why: 'From here on the kernel refuses every system call that the profile does not allow.' },
  BOUNDING_SET: { phase: 'privileges', why: 'Capabilities that are not in this set can never be had again.' },
  SET_USER: { phase: 'privileges', why: 'The program runs as this user.' },
  CAPABILITIES: { phase: 'privileges', why: "Capabilities are root's power in pieces; the program gets only these." },
  AMBIENT: { phase: 'privileges', why: 'These survive the execve of a program that is not set up for capabilities.' },
  HOME: { phase: 'privileges', why: 'Shells expect it; the container has its own list of users.' },
  CLOSE_FDS: { phase: 'privileges', why: 'A descriptor of the host would be a way out of the container.' },
  CHDIR: {
    phase: 'privileges',
    why: 'The program starts here; a directory outside of the root is refused (CVE-2024-21626).',
  },
  FIND_PROGRAM: { phase: 'program', why: 'A program that is missing is an error of create, not a surprise at start.' },
  WAIT_START: {
    phase: 'program',
    why: 'Between create and start an engine can set up what it likes, a network for example.',
  },
  EXEC: { phase: 'program', why: 'Nothing of the runtime is left in this process.' },
  UNSHARE_TIME: { phase: 'settle', why: 'Clocks can be set only in a time namespace that nobody is in yet.' },
  TIME_OFFSETS: { phase: 'attend', why: 'The container reads other times of start and uptime than the host.' },
  ENTER_TIME: { phase: 'settle', why: 'From here on the clocks are those of the container, and cannot be set again.' },
  CPU_AFFINITY: { phase: 'same', why: 'A program may be bound to CPUs; what the caller is bound to is left behind.' },
  SCHEDULER: { phase: 'attend', why: 'The policy decides when the program runs and when others do.' },
  IO_PRIORITY: { phase: 'attend', why: 'When a disk is busy, requests with a better priority go first.' },
  PERSONALITY: { phase: 'privileges', why: 'A 32-bit program asks uname and expects a 32-bit machine.' },
  MEMORY_POLICY: {
    phase: 'privileges',
    why: 'On a machine with several memory nodes it decides which one pages lie on.',
  },
  CGROUP_KILL_V1: {
    phase: 'remove',
    why: 'Whoever is still in the group is frozen, so that nobody gets away, and dies with the container.',
  },
  RDT_GROUP: {
    phase: 'cgroup',
    why: 'Processors of Intel and AMD can divide cache and memory bandwidth among classes.',
  },
  RDT_SCHEMATA: { phase: 'cgroup', why: 'Each line says which part of a resource the class gets.' },
  RDT_MONITOR: { phase: 'cgroup', why: 'The processor counts what the container uses of cache and bandwidth.' },
  RDT_JOIN: { phase: 'attend', why: 'Processes it makes later are in the class too.' },
  NET_DEVICE: { phase: 'attend', why: 'A device is in one network namespace at a time: the host no longer has it.' },
  NET_DEVICES_BACK: {
    phase: 'remove',
    why: 'After the end of a container the kernel gives physical devices back by itself.',
  },
  RDT_REMOVE: { phase: 'remove', why: 'A class that others use, or made before, stays.' },
  CGROUP_KILL: { phase: 'remove', why: 'Whoever is still in the group dies with the container.' },
  CGROUP_REMOVE: { phase: 'remove', why: 'The limits go with the processes.' },
  ADOPT: { phase: 'attend', why: 'CRIU has made the first process; it stands still until it is on record.' },
  RESTORED: { phase: 'attend', why: 'Then all processes run on from where they were saved.' },
  CRIU_SOCKET: { phase: 'program', why: 'CRIU is told over this socket what to restore.' },
  MAKE_MOUNTPOINT: {
    phase: 'files',
    why: 'A root file system that was never started lacks what create would have made.',
  },
  JOIN_MOUNTS: {
    phase: 'clone',
    why: 'A process goes into the container, where the mounts belong, and is gone afterwards.',
  },
  STATE_EXPECT: { phase: 'record', why: 'Two commands at once must not lose what the other one wrote.' },
  OPEN_MOUNT: {
    phase: 'files',
    why: 'The container may have moved something else there: only the mount that was made counts.',
  },
  UNMOUNT: { phase: 'files', why: 'Programs that still use it keep it until they close it.' },
  OPEN_USERNS: {
    phase: 'prepare',
    why: 'A user namespace is how the kernel is told which id on the disk becomes which.',
  },
  OPEN_FS: { phase: 'same', why: ({ type }) => FILE_SYSTEMS[type] ?? OTHER_FILE_SYSTEM },
  IDMAP_MOUNT: { phase: 'same', why: 'Files keep their owners on the disk and show others here.' },
  SET_FILE_LABEL: { phase: 'same', why: 'This file system takes no label as an option.' },
  STATE_REMOVE: { phase: 'remove', why: 'The id is free again.' },
};

export function whyOf(op: Op): string {
  // The table is exhaustive by its type; the cast joins the op with its own entry.
  const { why } = STORIES[op.op] as Story<Op>;
  return typeof why === 'string' ? why : why(op);
}

/** before: the phase of the op before it in its list. */
export function phaseOf(op: Op, before: PhaseName): PhaseName {
  const { phase } = STORIES[op.op];
  return phase === 'same' ? before : phase;
}
