/* CGROUP_ADOPT, CGROUP_DELEGATE, UNSHARE_CGROUP: a cgroup that systemd has made, and one that the container may use. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../cgroup.h"
#include "../cleanup.h"
#include "../io.h"

#define DELEGATE_MAX 4096

int op_cgroup_adopt(struct context *ctx, const struct op_cgroup_adopt *op, struct failure *reterr)
{
	cleanup_fd int mount = open(plan_str(&ctx->plan, op->mount), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int found = -1;
	char path[PATH_MAX];

	if (mount < 0)
		return FAIL(reterr, "open");
	if (cgroup_path(ctx, plan_str(&ctx->plan, op->path), path, reterr) < 0)
		return -1;
	found = cgroup_open(mount, path);
	if (found < 0)
		return FAIL(reterr, "openat2");
	if (!cgroup_holds_init(ctx, found)) {
		errno = ESRCH;
		return FAIL(reterr, "cgroup.procs");
	}
	ctx->cgroup_fd = cgroup_enter_path(ctx, mount, path, plan_str(&ctx->plan, op->controllers), reterr);
	if (ctx->cgroup_fd < 0)
		return -1;
	cgroup_mark_own(ctx, ctx->cgroup_fd);
	return 0;
}

/* Kernels before 4.15 do not tell which files; a file that this cgroup does not have is no loss. */
int op_cgroup_delegate(struct context *ctx, const struct op_cgroup_delegate *op, struct failure *reterr)
{
	char names[DELEGATE_MAX];
	char *rest = NULL;

	if (fchownat(ctx->cgroup_fd, "", op->uid, (gid_t)-1, AT_EMPTY_PATH) < 0)
		return FAIL(reterr, "fchownat");
	if (read_file_at(AT_FDCWD, "/sys/kernel/cgroup/delegate", names, sizeof(names)) < 0)
		strcpy(names, "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n");
	for (char *name = strtok_r(names, "\n", &rest); name != NULL; name = strtok_r(NULL, "\n", &rest))
		if (strchr(name, '/') == NULL &&
			fchownat(ctx->cgroup_fd, name, op->uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
			return FAIL(reterr, "fchownat");
	return 0;
}

int op_unshare_cgroup(struct context *ctx, const struct op_unshare_cgroup *op, struct failure *reterr)
{
	(void)ctx;
	(void)op;
	return unshare(CLONE_NEWCGROUP) < 0 ? FAIL(reterr, "unshare") : 0;
}
