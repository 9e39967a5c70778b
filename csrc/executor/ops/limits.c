/* RLIMIT, OOM_SCORE_ADJ (of init, from the host's side: raising a limit takes the host's capabilities) and UMASK. */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "../context.h"
#include "../procfs.h"
#include "../sys.h"

static const struct op_set_user *find_set_user(const struct context *ctx)
{
	uint32_t count = plan_header(&ctx->plan)->lists[LIST_INIT].count;

	for (uint32_t i = 0; i < count; i++) {
		const struct op *op = plan_op(&ctx->plan, LIST_INIT, i);

		if (op->code == OP_SET_USER)
			return (const void *)op;
	}
	return NULL;
}

/*
 * By then init is its user. The kernel lets us at another's limits with CAP_SYS_RESOURCE, or when our
 * real ids are that user's; root of a sandbox has only the second way. The effective ids stay root's.
 */
static int limit_as_user(struct context *ctx, uint32_t resource, const struct rlimit *limit)
{
	const struct op_set_user *user = find_set_user(ctx);
	uid_t uid = getuid();
	gid_t gid = getgid();
	int result;
	int error;

	if (user == NULL || syscall(NR_SETRESGID, user->gid, -1, -1) < 0)
		return -1;
	result = (int)syscall(NR_SETRESUID, user->uid, -1, -1);
	if (result == 0)
		result = prlimit(ctx->init_pid, (__rlimit_resource_t)resource, limit, NULL);
	error = errno;
	if (syscall(NR_SETRESUID, uid, -1, -1) < 0 || syscall(NR_SETRESGID, gid, -1, -1) < 0)
		return -1;
	errno = error;
	return result;
}

int op_rlimit(struct context *ctx, const struct op_rlimit *op, struct failure *reterr)
{
	const struct rlimit limit = { .rlim_cur = op->soft, .rlim_max = op->hard };

	if (prlimit(ctx->init_pid, (__rlimit_resource_t)op->resource, &limit, NULL) == 0)
		return 0;
	if (errno != EPERM || limit_as_user(ctx, op->resource, &limit) < 0)
		return FAIL(reterr, "prlimit");
	return 0;
}

int op_oom_score_adj(struct context *ctx, const struct op_oom_score_adj *op, struct failure *reterr)
{
	char path[48];
	char value[16];

	(void)snprintf(path, sizeof(path), "%d/oom_score_adj", ctx->init_pid);
	(void)snprintf(value, sizeof(value), "%d", op->value);
	if (procfs_write(ctx->proc_fd, path, value) < 0)
		return FAIL(reterr, "write");
	return 0;
}

int op_umask(struct context *ctx, const struct op_umask *op, struct failure *reterr)
{
	(void)ctx;
	(void)reterr;
	(void)umask((mode_t)op->mode & 0777);
	return 0;
}
