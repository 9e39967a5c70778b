/* MASK_PATH and READONLY_PATH: config-linux.md "Masked Paths", "Readonly Paths". */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../cleanup.h"
#include "../context.h"
#include "../device.h"
#include "../fscontext.h"
#include "../mounting.h"
#include "../saferoot.h"
#include "../sys.h"

/* 1: opened, 0: there is no such path, -1: failure. Only here may a path be missing (CVE-2025-31133). */
static int open_existing(const struct context *ctx, const char *path, int *ret_fd, struct failure *reterr)
{
	int fd = saferoot_open(ctx->rootfs_fd, path, O_PATH);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : FAIL(reterr, "openat2");
	*ret_fd = fd;
	return 1;
}

/* A clone of /dev/null as this process sees it, checked on the very mount that is attached later. */
static int clone_null(struct failure *reterr)
{
	cleanup_fd int null = mount_clone_path("/dev/null", 0);
	struct stat st;

	if (null < 0)
		return FAIL(reterr, "open_tree");
	if (fstat(null, &st) < 0)
		return FAIL(reterr, "fstat");
	if (!is_null_device(&st)) {
		errno = ENODEV;
		return FAIL_AS(reterr, PROBLEM_WRONG_DEVICE, "fstat");
	}
	return steal_fd(&null);
}

static int new_empty_directory(const char *label, struct failure *reterr)
{
	const uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	cleanup_fd int fs = sys_fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (fs < 0)
		return FAIL(reterr, "fsopen");
	/* Room for the root directory and nothing else. */
	if (fscontext_option(fs, "nr_blocks=1", reterr) < 0 || fscontext_option(fs, "nr_inodes=1", reterr) < 0)
		return -1;
	if (fscontext_option(fs, "mode=755", reterr) < 0 || fscontext_option(fs, "ro", reterr) < 0)
		return -1;
	if (label[0] != '\0' && sys_fsconfig(fs, FSCONFIG_SET_STRING, "context", label, 0) < 0)
		return FAIL(reterr, "fsconfig");
	if (fscontext_command(fs, FSCONFIG_CMD_CREATE, reterr) < 0)
		return -1;
	return fscontext_mount(fs, attributes, reterr);
}

static int attach_mask(const struct context *ctx, int mask, int target, const char *path, struct failure *reterr)
{
	return mask < 0 ? -1 : mount_attach(ctx, mask, target, path, reterr);
}

/* One tmpfs for all masked directories: the first gets it, the others clones of what is attached there. */
static int mask_directory(struct context *ctx, int target, const struct op_mask_path *op, struct failure *reterr)
{
	const char *path = plan_str(&ctx->plan, op->path);
	cleanup_fd int mask = -1;

	if (ctx->mask_fd < 0) {
		mask = new_empty_directory(plan_str(&ctx->plan, op->label), reterr);
		if (attach_mask(ctx, mask, target, path, reterr) < 0)
			return -1;
		ctx->mask_fd = steal_fd(&mask);
		return 0;
	}
	mask = mount_clone(ctx->mask_fd, 0);
	if (mask < 0)
		return FAIL(reterr, "open_tree");
	return attach_mask(ctx, mask, target, path, reterr);
}

int op_mask_path(struct context *ctx, const struct op_mask_path *op, struct failure *reterr)
{
	const char *path = plan_str(&ctx->plan, op->path);
	cleanup_fd int target = -1;
	cleanup_fd int null = -1;
	struct stat st;
	int exists = open_existing(ctx, path, &target, reterr);

	if (exists <= 0)
		return exists;
	if (fstat(target, &st) < 0)
		return FAIL(reterr, "fstat");
	if (S_ISDIR(st.st_mode))
		return mask_directory(ctx, target, op, reterr);
	null = clone_null(reterr);
	return attach_mask(ctx, null, target, path, reterr);
}

int op_readonly_path(struct context *ctx, const struct op_readonly_path *op, struct failure *reterr)
{
	const char *path = plan_str(&ctx->plan, op->path);
	cleanup_fd int target = -1;
	cleanup_fd int tree = -1;
	int exists = open_existing(ctx, path, &target, reterr);

	if (exists <= 0)
		return exists;
	tree = mount_clone(target, AT_RECURSIVE);
	if (tree < 0)
		return FAIL(reterr, "open_tree");
	if (mount_set_attr(tree, MOUNT_ATTR_RDONLY, 0, true, reterr) < 0)
		return -1;
	return mount_attach(ctx, tree, target, path, reterr);
}
