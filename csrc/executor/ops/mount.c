/*
 * MOUNT_FS, MOUNT_LEGACY, SET_MOUNT_ATTR, REMOUNT: config.md "Mounts", fsopen(2), mount(2),
 * mount_setattr(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "../cleanup.h"
#include "../context.h"
#include "../copyup.h"
#include "../fscontext.h"
#include "../mounting.h"
#include "../procfs.h"
#include "../saferoot.h"
#include "../sys.h"

/*
 * The target directory as it was found. With REAL_DIRECTORY a symlink is refused: a procfs or sysfs that
 * lands elsewhere leaves /proc to the image, and label writes go astray (CVE-2019-16884, CVE-2019-19921).
 */
static int open_directory(
	const struct context *ctx, const char *dest, uint32_t flags, bool *ret_existed, struct failure *reterr)
{
	bool real = (flags & MOUNT_REAL_DIRECTORY) != 0;
	cleanup_fd int fd = saferoot_open(ctx->rootfs_fd, dest, O_PATH | (real ? O_NOFOLLOW : 0));
	struct stat st;

	*ret_existed = fd >= 0;
	if (fd < 0 && errno == ENOENT)
		fd = saferoot_mkdir(ctx->rootfs_fd, dest, 0755);
	if (fd < 0)
		return FAIL(reterr, "openat2");
	if (fstat(fd, &st) < 0)
		return FAIL(reterr, "fstat");
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return FAIL_AS(reterr, real ? PROBLEM_NOT_REAL_DIRECTORY : PROBLEM_SYSCALL, "openat2");
	}
	return steal_fd(&fd);
}

/* Makes the file system; target is -1 unless its mode is to be inherited. A detached mount, or -1. */
static int new_fs(const struct context *ctx, const struct op_mount_fs *op, int target, struct failure *reterr)
{
	uint64_t late = (op->flags & MOUNT_COPY_UP) != 0 ? MOUNT_ATTR_RDONLY : 0;
	const struct new_fs request = {
		.type = plan_str(&ctx->plan, op->type),
		.source = plan_str(&ctx->plan, op->source),
		.options = op->options,
		.sb_flags = op->sb_flags,
		.attributes = op->attr_set & ~late,
		.like = target,
	};

	return fscontext_make(&ctx->plan, &request, reterr);
}

int op_open_fs(struct context *ctx, const struct op_open_fs *op, struct failure *reterr)
{
	const struct new_fs request = {
		.type = plan_str(&ctx->plan, op->type),
		.source = plan_str(&ctx->plan, op->source),
		.options = op->options,
		.sb_flags = op->sb_flags,
		.attributes = op->attr_set,
		.like = -1,
	};
	int *slot = find_slot(ctx, op->slot, reterr);

	if (slot == NULL)
		return -1;
	*slot = fscontext_make(&ctx->plan, &request, reterr);
	return *slot < 0 ? -1 : 0;
}

/*
 * A clone of the container's own cgroup, found in this mount namespace: ctx->cgroup_fd is on the host's
 * mount, and open_tree(2) clones no mount of another namespace.
 */
static int clone_own_cgroup(const struct context *ctx, struct failure *reterr)
{
	char path[PATH_MAX];
	char link[32];
	cleanup_fd int self = -1;
	cleanup_fd int fd = -1;
	struct stat wanted;
	struct stat found;
	ssize_t length;

	self = procfs_openat(ctx->proc_fd, "self/fd", O_PATH | O_DIRECTORY);
	if (self < 0)
		return FAIL(reterr, "openat2");
	(void)snprintf(link, sizeof(link), "%d", ctx->cgroup_fd);
	length = readlinkat(self, link, path, sizeof(path) - 1);
	if (length < 0)
		return FAIL(reterr, "readlinkat");
	path[length] = '\0';
	fd = mount_clone_path(path, 0);
	if (fd < 0)
		return FAIL(reterr, "open_tree");
	if (fstat(fd, &found) < 0 || fstat(ctx->cgroup_fd, &wanted) < 0)
		return FAIL(reterr, "fstat");
	if (found.st_dev != wanted.st_dev || found.st_ino != wanted.st_ino) {
		errno = EXDEV;
		return FAIL(reterr, "open_tree");
	}
	return steal_fd(&fd);
}

/* What the plan names instead of a file system that this user namespace may not mount. */
static int clone_instead(const struct context *ctx, const struct op_mount_fs *op, struct failure *reterr)
{
	bool sysfs = (op->flags & MOUNT_BIND_HOST_SYSFS_ON_REFUSAL) != 0;
	cleanup_fd int fd = -1;

	if (sysfs) {
		/* What is mounted below is locked to it, and takes part in what follows: CVE-2023-25809. */
		fd = mount_clone_path("/sys", AT_RECURSIVE);
		if (fd < 0)
			return FAIL(reterr, "open_tree");
	} else {
		fd = clone_own_cgroup(ctx, reterr);
		if (fd < 0)
			return -1;
	}
	if (mount_set_attr(fd, op->attr_set, 0, sysfs, reterr) < 0)
		return -1;
	return steal_fd(&fd);
}

static bool may_clone_instead(const struct context *ctx, uint32_t flags)
{
	if ((flags & MOUNT_BIND_HOST_SYSFS_ON_REFUSAL) != 0)
		return true;
	return (flags & MOUNT_BIND_OWN_CGROUP_ON_REFUSAL) != 0 && ctx->cgroup_fd >= 0;
}

int op_mount_fs(struct context *ctx, const struct op_mount_fs *op, struct failure *reterr)
{
	const char *dest = plan_str(&ctx->plan, op->dest);
	cleanup_fd int target = -1;
	cleanup_fd int mnt = -1;
	bool existed;

	target = open_directory(ctx, dest, op->flags, &existed, reterr);
	if (target < 0)
		return -1;
	mnt = new_fs(ctx, op, existed && (op->flags & MOUNT_INHERIT_MODE) != 0 ? target : -1, reterr);
	if (mnt < 0 && (reterr->error == EPERM || reterr->error == EBUSY) && may_clone_instead(ctx, op->flags))
		mnt = clone_instead(ctx, op, reterr);
	if (mnt < 0)
		return -1;
	if ((op->flags & MOUNT_COPY_UP) != 0) {
		if (existed && copy_up(target, mnt, reterr) < 0)
			return -1;
		if (mount_set_attr(mnt, op->attr_set & MOUNT_ATTR_RDONLY, 0, false, reterr) < 0)
			return -1;
	}
	if (mount_attach(ctx, mnt, target, dest, reterr) < 0)
		return -1;
	return mount_set_propagation(mnt, op->propagation, false, reterr);
}

/* mount(2) gives no descriptor: what dest now names must be the root of another mount than before. */
static int verify_mounted(const struct context *ctx, int target, const char *dest, struct failure *reterr)
{
	cleanup_fd int there = saferoot_open(ctx->rootfs_fd, dest, O_PATH);
	uint64_t before;
	uint64_t after;

	if (there < 0)
		return FAIL(reterr, "openat2");
	if (mount_id(target, &before) < 0 || mount_id(there, &after) < 0)
		return FAIL(reterr, "statx");
	if (before == after || mount_is_root(there) != 1) {
		errno = EXDEV;
		return FAIL(reterr, "mount");
	}
	return steal_fd(&there);
}

int op_mount_legacy(struct context *ctx, const struct op_mount_legacy *op, struct failure *reterr)
{
	const char *dest = plan_str(&ctx->plan, op->dest);
	const char *source = plan_str(&ctx->plan, op->source);
	const char *data = plan_str(&ctx->plan, op->data);
	const char *type = plan_str(&ctx->plan, op->type);
	cleanup_fd int target = -1;
	cleanup_fd int there = -1;
	bool existed;

	target = open_directory(ctx, dest, op->flags, &existed, reterr);
	if (target < 0 || mount_refuse_procfs(ctx, target, dest, reterr) < 0)
		return -1;
	/* mount(2) knows no descriptors; "." is one. */
	if (fchdir(target) < 0)
		return FAIL(reterr, "fchdir");
	if (mount(source[0] != '\0' ? source : type, ".", type, (unsigned long)op->ms_flags, data) < 0)
		return FAIL(reterr, "mount");
	if (chdir("/") < 0)
		return FAIL(reterr, "chdir");
	there = verify_mounted(ctx, target, dest, reterr);
	if (there < 0)
		return -1;
	return mount_set_propagation(there, op->propagation, false, reterr);
}

int op_set_mount_attr(struct context *ctx, const struct op_set_mount_attr *op, struct failure *reterr)
{
	bool recursive = (op->flags & ATTR_RECURSIVE) != 0;
	cleanup_fd int fd = saferoot_open(ctx->rootfs_fd, plan_str(&ctx->plan, op->dest), O_PATH);

	if (fd < 0)
		return FAIL(reterr, "openat2");
	if (mount_set_attr(fd, op->attr_set, op->attr_clr, recursive, reterr) < 0)
		return -1;
	return mount_set_propagation(fd, op->propagation, recursive, reterr);
}

int op_remount(struct context *ctx, const struct op_remount *op, struct failure *reterr)
{
	cleanup_fd int there = saferoot_open(ctx->rootfs_fd, plan_str(&ctx->plan, op->dest), O_PATH);
	cleanup_fd int fs = -1;

	if (there < 0)
		return FAIL(reterr, "openat2");
	fs = sys_fspick(there, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	if (fs < 0)
		return FAIL(reterr, "fspick");
	if (fscontext_options(fs, &ctx->plan, op->options, reterr) < 0)
		return -1;
	if (fscontext_sb_flags(fs, op->sb_flags, reterr) < 0)
		return -1;
	return fscontext_command(fs, FSCONFIG_CMD_RECONFIGURE, reterr);
}
