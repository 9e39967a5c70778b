/*
 * SYSCTL: config-linux.md "Sysctl", proc_sys(5). Through the private procfs, so that nothing mounted over
 * /proc can send the value elsewhere (CVE-2025-52881). Which keys are allowed is the compiler's matter.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "../context.h"
#include "../procfs.h"

int op_sysctl(struct context *ctx, const struct op_sysctl *op, struct failure *reterr)
{
	char path[PATH_MAX];
	int length = snprintf(path, sizeof(path), "sys/%s", plan_str(&ctx->plan, op->path));

	if (length < 0 || (size_t)length >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return FAIL(reterr, "openat2");
	}
	if (procfs_write(ctx->proc_fd, path, plan_str(&ctx->plan, op->value)) < 0)
		return FAIL(reterr, "write");
	return 0;
}
