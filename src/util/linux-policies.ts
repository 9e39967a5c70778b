/**
 * How the kernel numbers what specs name about scheduling and memory: sched(7), ioprio_set(2), personality(2),
 * set_mempolicy(2). The names are the whole of what tsrun supports, which `features` lists.
 *
 * Pure.
 */

/** SCHED_ISO (4) is reserved: no kernel has it. */
export const SCHEDULER_POLICIES = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
} as const;

/** SCHED_FLAG_UTIL_CLAMP_MIN and _MAX are left out: the spec has no field for the value that goes with them. */
export const SCHEDULER_FLAGS = {
  SCHED_FLAG_RESET_ON_FORK: 0x01n,
  SCHED_FLAG_RECLAIM: 0x02n,
  SCHED_FLAG_DL_OVERRUN: 0x04n,
  SCHED_FLAG_KEEP_POLICY: 0x08n,
  SCHED_FLAG_KEEP_PARAMS: 0x10n,
} as const;

export const IO_PRIORITY_CLASSES = { IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 } as const;

/** linux/personality.h: PER_LINUX and PER_LINUX32. */
export const PERSONALITY_DOMAINS = { LINUX: 0, LINUX32: 8 } as const;

/** linux/mempolicy.h. MPOL_PREFERRED_MANY is there since Linux 5.15, MPOL_WEIGHTED_INTERLEAVE since 6.9. */
export const MEMORY_POLICY_MODES = {
  MPOL_DEFAULT: 0,
  MPOL_PREFERRED: 1,
  MPOL_BIND: 2,
  MPOL_INTERLEAVE: 3,
  MPOL_LOCAL: 4,
  MPOL_PREFERRED_MANY: 5,
  MPOL_WEIGHTED_INTERLEAVE: 6,
} as const;

/** Given together with the mode. */
export const MEMORY_POLICY_FLAGS = {
  MPOL_F_NUMA_BALANCING: 0x2000,
  MPOL_F_RELATIVE_NODES: 0x4000,
  MPOL_F_STATIC_NODES: 0x8000,
} as const;
