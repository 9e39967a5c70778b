/*
 * Who the program will be: SET_USER, BOUNDING_SET, CAPABILITIES, AMBIENT, NO_NEW_PRIVS, BECOME_ROOT,
 * NOT_DUMPABLE. capabilities(7), credentials(7).
 *
 * Ids are set by raw system calls: the executor has one thread, and the C library's functions only
 * add signalling between threads.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "../context.h"
#include "../creds.h"
#include "../sys.h"

static int set_ids(uint32_t uid, uint32_t gid, struct failure *reterr)
{
	if (syscall(NR_SETRESGID, gid, gid, gid) < 0)
		return FAIL(reterr, "setresgid");
	if (syscall(NR_SETRESUID, uid, uid, uid) < 0)
		return FAIL(reterr, "setresuid");
	return 0;
}

int become_root(struct failure *reterr)
{
	/* EPERM: the namespace has setgroups denied, so the groups stay what its maker had. */
	if (syscall(NR_SETGROUPS, 0, NULL) < 0 && errno != EPERM)
		return FAIL(reterr, "setgroups");
	return set_ids(0, 0, reterr);
}

int op_become_root(struct context *ctx, const struct op_become_root *op, struct failure *reterr)
{
	if (((op->flags & USER_SKIP_GROUPS) != 0 ? set_ids(0, 0, reterr) : become_root(reterr)) < 0)
		return -1;
	/* What CLONE left out: an ipc namespace's mqueue belongs to the ids that made it, which must be mapped. */
	if ((ctx->unshare_as_root & CLONE_NEWIPC) != 0 && unshare(CLONE_NEWIPC) < 0)
		return FAIL(reterr, "unshare");
	return 0;
}

int op_set_user(struct context *ctx, const struct op_set_user *op, struct failure *reterr)
{
	const void *groups = plan_blob(&ctx->plan, op->groups);
	size_t count = op->groups.length / sizeof(uint32_t);

	if (op->groups.length % sizeof(uint32_t) != 0) {
		errno = EINVAL;
		return FAIL_AS(reterr, PROBLEM_BAD_PLAN, "setgroups");
	}
	/* Without it the permitted set is emptied when the last id 0 goes, before CAPABILITIES could keep some. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return FAIL(reterr, "prctl");
	if ((op->flags & USER_SKIP_GROUPS) == 0 && syscall(NR_SETGROUPS, count, groups) < 0 &&
		(errno != EPERM || (op->flags & USER_KEEP_GROUPS_ON_REFUSAL) == 0))
		return FAIL(reterr, "setgroups");
	return set_ids(op->uid, op->gid, reterr);
}

/* The kernel may know fewer capabilities than the plan, or more than these headers. */
int op_bounding_set(struct context *ctx, const struct op_bounding_set *op, struct failure *reterr)
{
	(void)ctx;
	for (unsigned long capability = 0; capability < 64; capability++) {
		int held = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);

		if (held < 0 && errno == EINVAL)
			break; /* past the kernel's last one */
		if (held < 0)
			return FAIL(reterr, "prctl");
		if (held == 0 || (op->mask >> capability & 1) != 0)
			continue;
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
			return FAIL(reterr, "prctl");
	}
	return 0;
}

int op_capabilities(struct context *ctx, const struct op_capabilities *op, struct failure *reterr)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct data[2] = {
		{ (uint32_t)op->effective, (uint32_t)op->permitted, (uint32_t)op->inheritable },
		{ (uint32_t)(op->effective >> 32), (uint32_t)(op->permitted >> 32), (uint32_t)(op->inheritable >> 32) },
	};

	(void)ctx;
	if (syscall(SYS_capset, &header, data) < 0)
		return FAIL(reterr, "capset");
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return FAIL(reterr, "prctl");
	return 0;
}

/* Refused when it is not permitted and inheritable too: config.md makes that a warning. The detail is its number. */
static void warn_ambient(struct context *ctx, unsigned long capability)
{
	struct failure warning = { 0 };
	char number[8];

	(void)FAIL(&warning, "prctl");
	failure_detail(&warning, number, (size_t)snprintf(number, sizeof(number), "%lu", capability));
	report_warning(ctx, &warning);
}

int op_ambient(struct context *ctx, const struct op_ambient *op, struct failure *reterr)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return FAIL(reterr, "prctl");
	for (unsigned long capability = 0; capability < 64; capability++)
		if ((op->mask >> capability & 1) != 0 &&
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
			warn_ambient(ctx, capability);
	return 0;
}

int op_no_new_privs(struct context *ctx, const struct op_no_new_privs *op, struct failure *reterr)
{
	(void)ctx;
	(void)op;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? FAIL(reterr, "prctl") : 0;
}

int op_not_dumpable(struct context *ctx, const struct op_not_dumpable *op, struct failure *reterr)
{
	(void)ctx;
	(void)op;
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? FAIL(reterr, "prctl") : 0;
}
