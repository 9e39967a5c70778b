/**
 * Hints for what the kernel refuses of the smaller fields: time offsets, scheduling, memory policy, cpusets, hooks.
 *
 * Pure.
 */
import { HOOK } from '../plan/op.gen.js';
import { MEMORY_POLICY_MODES, SCHEDULER_POLICIES } from '../util/linux-policies.js';
import { quote } from '../util/quote.js';
import { type Entry, lacks, type Refusal } from './hint.js';

const CAP_SYS_NICE = 23n;

const isDeadline = ({ op }: Refusal) => op?.op === 'SCHEDULER' && op.policy === SCHEDULER_POLICIES.SCHED_DEADLINE;
const isRealtime = ({ op }: Refusal) =>
  op?.op === 'SCHEDULER' && [SCHEDULER_POLICIES.SCHED_FIFO, SCHEDULER_POLICIES.SCHED_RR].some((p) => p === op.policy);

/** info/last_cmd_status of resctrl. */
const kernelSays = ({ detail = '' }: Refusal) => `the kernel says: ${quote(detail)}`;

/** The kernel that brought a mode, for one that this kernel may lack. */
function sinceOf({ op }: Refusal): string {
  const mode = op?.op === 'MEMORY_POLICY' ? op.mode & 0xfff : 0;
  if (mode === MEMORY_POLICY_MODES.MPOL_WEIGHTED_INTERLEAVE) return ', or the kernel is older than Linux 6.9';
  return mode === MEMORY_POLICY_MODES.MPOL_PREFERRED_MANY ? ', or the kernel is older than Linux 5.15' : '';
}

export const FIELD_HINTS: readonly Entry[] = [
  {
    ops: ['RDT_GROUP', 'RDT_SCHEMATA', 'RDT_MONITOR', 'RDT_JOIN'],
    errnos: ['EINVAL', 'ENOSPC', 'EPERM', 'ENODEV', 'EOPNOTSUPP'],
    when: ({ detail = '' }) => detail !== '',
    hint: kernelSays,
  },
  {
    ops: ['RDT_GROUP', 'RDT_MONITOR'],
    errnos: ['ENOSPC'],
    hint: 'the processor has no class or monitoring id left: remove a group that is no longer used',
  },
  {
    ops: ['RDT_GROUP'],
    errnos: ['ENOENT'],
    hint: 'a class that is named without schemata must exist: make it first, or say what it gets',
  },
  {
    ops: ['NET_DEVICE'],
    errnos: ['ENODEV'],
    hint: 'the host has no such network device (ip link), or it is in another network namespace',
  },
  {
    ops: ['NET_DEVICE'],
    errnos: ['EEXIST'],
    hint: 'the container has a network device of that name already: give it another with "name"',
  },
  {
    ops: ['NET_DEVICE'],
    errnos: ['EINVAL', 'EOPNOTSUPP'],
    hint: 'a device of this kind cannot leave its network namespace: lo, some tunnels, wireless devices whose phy must move instead',
  },
  {
    ops: ['NET_DEVICE'],
    errnos: ['EPERM'],
    hint: 'moving a network device needs CAP_NET_ADMIN on both sides',
  },
  {
    ops: ['TIME_OFFSETS'],
    errnos: ['ERANGE'],
    hint: 'with it the clock would be before 0 or after 146 years: an offset below 0 may not be more than the host has been up',
  },
  {
    ops: ['SCHEDULER'],
    errnos: ['EPERM'],
    when: (_, facts) => lacks(facts, CAP_SYS_NICE),
    hint: 'the runtime has no CAP_SYS_NICE: only SCHED_OTHER, SCHED_BATCH and SCHED_IDLE without a lower nice value can be had',
  },
  {
    ops: ['SCHEDULER'],
    errnos: ['EPERM', 'EBUSY'],
    when: isDeadline,
    hint: "SCHED_DEADLINE can't be used together with a cpuset (linux.resources.cpu.cpus), and all such processes together may not take more than kernel.sched_rt_runtime_us of each kernel.sched_rt_period_us",
  },
  {
    ops: ['SCHEDULER'],
    errnos: ['EPERM'],
    when: isRealtime,
    hint: 'the cgroup of the container has no real-time budget: with cgroup v1 set linux.resources.cpu.realtimeRuntime; with cgroup v2 this kernel has none to set, and needs the parameter rt_group_sched=0',
  },
  {
    ops: ['SCHEDULER'],
    errnos: ['EINVAL'],
    hint: 'the kernel does not take these values together: see sched_setattr(2)',
  },
  {
    ops: ['IO_PRIORITY'],
    errnos: ['EPERM'],
    hint: 'IOPRIO_CLASS_RT needs CAP_SYS_NICE',
  },
  {
    ops: ['CPU_AFFINITY'],
    errnos: ['EINVAL'],
    hint: 'at least one of these CPUs must be online and in the cpuset of the cgroup',
  },
  {
    ops: ['MEMORY_POLICY'],
    errnos: ['ENOSYS'],
    hint: 'this kernel is built without NUMA: remove the memory policy',
  },
  {
    ops: ['MEMORY_POLICY'],
    errnos: ['EINVAL'],
    hint: (refusal) =>
      `the nodes must have memory and be allowed by the cpuset (Mems_allowed_list of /proc/self/status)${sinceOf(refusal)}`,
  },
  {
    ops: ['CGROUP_WRITE'],
    errnos: ['EINVAL', 'ERANGE', 'EACCES'],
    when: ({ op }) => op?.op === 'CGROUP_WRITE' && op.file.startsWith('cpuset.'),
    hint: 'name only CPUs and memory nodes that the machine has (lscpu) and that the parent cgroup may use',
  },
  { ops: ['JOIN_INIT'], errnos: ['ESRCH'], hint: 'the container ended meanwhile: "tsrun state ID" shows it' },
  {
    ops: ['RUN_HOOK'],
    errnos: ['ENOENT', 'EACCES', 'ENOEXEC'],
    hint: ({ op }) =>
      op?.op === 'RUN_HOOK' && op.kind === HOOK.START_CONTAINER
        ? 'startContainer hooks are programs of the container: the path is looked up in its root file system'
        : 'the path is one of the host: it must be there, executable, and a program this machine can run',
  },
  {
    ops: ['EXEC'],
    errnos: ['E2BIG'],
    hint: 'arguments and environment together may take a quarter of the stack limit (RLIMIT_STACK), and at most 6 MiB',
  },
];
