/* ID_MAPS: user_namespaces(7). Each map goes down in one write(2), which is all the kernel takes. */
#include <errno.h>
#include <stdio.h>

#include "../context.h"
#include "../procfs.h"

static int write_of_init(struct context *ctx, const char *file, const char *value, struct failure *reterr)
{
	char path[48];

	(void)snprintf(path, sizeof(path), "%d/%s", ctx->init_pid, file);
	if (procfs_write(ctx->proc_fd, path, value) < 0)
		return FAIL(reterr, file);
	return 0;
}

int op_id_maps(struct context *ctx, const struct op_id_maps *op, struct failure *reterr)
{
	/* Before gid_map, and never back: CVE-2014-8989. */
	if (op->setgroups == SETGROUPS_DENY && write_of_init(ctx, "setgroups", "deny", reterr) < 0)
		return -1;
	if (op->setgroups == SETGROUPS_ALLOW && write_of_init(ctx, "setgroups", "allow", reterr) < 0)
		return -1;
	if (write_of_init(ctx, "uid_map", plan_str(&ctx->plan, op->uid_map), reterr) < 0)
		return -1;
	return write_of_init(ctx, "gid_map", plan_str(&ctx->plan, op->gid_map), reterr);
}
