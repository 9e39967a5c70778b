/* CGROUP_ENTER: a cgroup of a container that exists, this one and no other. */
#include <fcntl.h>
#include <stdlib.h>

#include "../cgroup.h"
#include "../cleanup.h"

int op_cgroup_enter(struct context *ctx, const struct op_cgroup_enter *op, struct failure *reterr)
{
	const char *sub = plan_str(&ctx->plan, op->sub);
	int *held = cgroup_fd_of(ctx, op->hierarchy, reterr);
	char path[PATH_MAX];
	cleanup_fd int mount = -1;
	cleanup_fd int cgroup = -1;

	if (held == NULL || cgroup_path(ctx, plan_str(&ctx->plan, op->path), path, reterr) < 0)
		return -1;
	mount = open(plan_str(&ctx->plan, op->mount), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mount < 0)
		return FAIL(reterr, "open");
	cgroup = cgroup_open(mount, path);
	if (cgroup < 0)
		return FAIL(reterr, "openat2");
	/* RESOLVE_BENEATH: ".." may lead back to it, but never out. */
	*held = sub[0] == '\0' ? steal_fd(&cgroup) : cgroup_open(cgroup, sub);
	return *held < 0 ? FAIL(reterr, "openat2") : 0;
}
