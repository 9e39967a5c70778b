/* RLIMIT, OOM_SCORE_ADJ (of init, from the host's side: raising a limit takes the host's capabilities) and UMASK. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "../context.h"
#include "../procfs.h"

int op_rlimit(struct context *ctx, const struct op_rlimit *op, struct failure *reterr)
{
	const struct rlimit limit = { .rlim_cur = op->soft, .rlim_max = op->hard };

	if (prlimit(ctx->init_pid, (int)op->resource, &limit, NULL) < 0)
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
