/*
 * How the program is scheduled and where its memory comes from: CPU_AFFINITY, SCHEDULER, IO_PRIORITY (of init, from the
 * host's side: in a user namespace init has no CAP_SYS_NICE that counts), PERSONALITY and MEMORY_POLICY.
 * sched(7), ioprio_set(2), personality(2), set_mempolicy(2).
 */
#include <errno.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <string.h>
#include <sys/personality.h>

#include "../context.h"
#include "../sys.h"

#define ALL_CPUS_BYTES 1024 /* 8192 CPUs, the most that x86 can be built for */

/* struct sched_attr of linux/sched/types.h, first version; that header and sched.h exclude each other. */
struct scheduling {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
};

_Static_assert(sizeof(struct scheduling) == 48, "SCHED_ATTR_SIZE_VER0");

int op_cpu_affinity(struct context *ctx, const struct op_cpu_affinity *op, struct failure *reterr)
{
	pid_t pid = ctx->list == LIST_SETUP ? 0 : ctx->init_pid;
	uint8_t all[ALL_CPUS_BYTES];

	if (op->cpus.length > 0) {
		if (syscall(SYS_sched_setaffinity, pid, op->cpus.length, plan_blob(&ctx->plan, op->cpus)) < 0)
			return FAIL(reterr, "sched_setaffinity");
		return 0;
	}
	/* The kernel leaves those that the cpuset has. Nobody asked for it, so a filter around us may forbid it. */
	memset(all, 0xff, sizeof(all));
	(void)syscall(SYS_sched_setaffinity, pid, sizeof(all), all);
	return 0;
}

int op_scheduler(struct context *ctx, const struct op_scheduler *op, struct failure *reterr)
{
	const struct scheduling attr = {
		.size = sizeof(attr),
		.policy = op->policy,
		.flags = op->flags,
		.nice = op->nice,
		.priority = op->priority,
		.runtime = op->runtime,
		.deadline = op->deadline,
		.period = op->period,
	};

	return syscall(SYS_sched_setattr, ctx->init_pid, &attr, 0) < 0 ? FAIL(reterr, "sched_setattr") : 0;
}

int op_io_priority(struct context *ctx, const struct op_io_priority *op, struct failure *reterr)
{
	unsigned long value = (unsigned long)op->io_class << IOPRIO_CLASS_SHIFT | op->priority;

	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, ctx->init_pid, value) < 0)
		return FAIL(reterr, "ioprio_set");
	return 0;
}

int op_personality(struct context *ctx, const struct op_personality *op, struct failure *reterr)
{
	(void)ctx;
	return personality(op->persona) < 0 ? FAIL(reterr, "personality") : 0;
}

int op_memory_policy(struct context *ctx, const struct op_memory_policy *op, struct failure *reterr)
{
	const void *nodes = op->nodes.length == 0 ? NULL : plan_blob(&ctx->plan, op->nodes);
	/* The kernel reads one bit less than it is told: get_nodes() in mm/mempolicy.c. */
	unsigned long bits = op->nodes.length == 0 ? 0 : op->nodes.length * 8UL + 1;

	if (syscall(SYS_set_mempolicy, op->mode, nodes, bits) < 0)
		return FAIL(reterr, "set_mempolicy");
	return 0;
}
