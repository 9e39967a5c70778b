/* What the mount ops share: see mounting.h. */
#include "mounting.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "cleanup.h"
#include "saferoot.h"
#include "sys.h"

#define ATTACH_TRIES 1000 /* a few milliseconds */

static int stat_mount(int fd, struct statx *ret_stat)
{
	return sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, ret_stat);
}

int mount_id(int fd, uint64_t *ret_id)
{
	struct statx st;

	if (stat_mount(fd, &st) < 0)
		return -1;
	*ret_id = st.stx_mnt_id;
	return 0;
}

int mount_is_root(int fd)
{
	struct statx st;

	if (stat_mount(fd, &st) < 0)
		return -1;
	return (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

int mount_clone(int fd, unsigned int flags)
{
	return sys_open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | flags);
}

int mount_clone_path(const char *path, unsigned int flags)
{
	return sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
}

static int set_mount(int fd, struct mount_attr *attr, bool recursive, struct failure *reterr)
{
	unsigned int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);

	if (sys_mount_setattr(fd, "", flags, attr) < 0)
		return FAIL(reterr, "mount_setattr");
	return 0;
}

int mount_set_attr(int fd, uint64_t attr_set, uint64_t attr_clr, bool recursive, struct failure *reterr)
{
	struct mount_attr attr = { .attr_set = attr_set, .attr_clr = attr_clr };

	if (attr_set == 0 && attr_clr == 0)
		return 0;
	/* The access time modes are one field: mount_setattr(2) wants it cleared as a whole. */
	if ((attr_set & MOUNT_ATTR__ATIME) != 0)
		attr.attr_clr |= MOUNT_ATTR__ATIME;
	return set_mount(fd, &attr, recursive, reterr);
}

int mount_set_propagation(int fd, uint64_t propagation, bool recursive, struct failure *reterr)
{
	struct mount_attr attr = { .propagation = propagation & ~(uint64_t)MS_REC };

	if (attr.propagation == 0)
		return 0;
	return set_mount(fd, &attr, recursive || (propagation & MS_REC) != 0, reterr);
}

int mount_refuse_procfs(const struct context *ctx, int target_fd, const char *dest, struct failure *reterr)
{
	cleanup_fd int proc = -1;
	struct statfs fs;
	uint64_t target;
	uint64_t mounted;

	if (strncmp(dest, "/proc", strlen("/proc")) == 0 && (dest[5] == '/' || dest[5] == '\0'))
		return 0;
	if (fstatfs(target_fd, &fs) < 0)
		return FAIL(reterr, "fstatfs");
	if (fs.f_type != PROC_SUPER_MAGIC)
		return 0;
	/* A procfs elsewhere is no matter of ours. */
	proc = saferoot_open(ctx->rootfs_fd, "/proc", O_PATH);
	if (proc < 0 && errno == ENOENT)
		return 0;
	if (proc < 0)
		return FAIL(reterr, "openat2");
	if (mount_id(proc, &mounted) < 0 || mount_id(target_fd, &target) < 0)
		return FAIL(reterr, "statx");
	if (mounted != target)
		return 0;
	errno = EXDEV;
	return FAIL_AS(reterr, PROBLEM_NOT_REAL_DIRECTORY, "openat2");
}

static int move_to(const struct context *ctx, int mount_fd, int target_fd, const char *dest, struct failure *reterr)
{
	if (mount_refuse_procfs(ctx, target_fd, dest, reterr) < 0)
		return -1;
	if (sys_move_mount(mount_fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return FAIL(reterr, "move_mount");
	return 0;
}

/* What dest names now; if somebody has just put something else there, it may have to be made again. */
static int open_again(const struct context *ctx, int mount_fd, const char *dest)
{
	struct stat st;
	int fd = saferoot_open(ctx->rootfs_fd, dest, O_PATH);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (fstat(mount_fd, &st) < 0)
		return -1;
	return S_ISDIR(st.st_mode) ? saferoot_mkdir(ctx->rootfs_fd, dest, 0755) : saferoot_mkfile(ctx->rootfs_fd, dest);
}

int mount_attach(const struct context *ctx, int mount_fd, int target_fd, const char *dest, struct failure *reterr)
{
	uint64_t mine;
	uint64_t found;

	if (mount_id(mount_fd, &mine) < 0)
		return FAIL(reterr, "statx");
	if (move_to(ctx, mount_fd, target_fd, dest, reterr) < 0)
		return -1;
	for (unsigned int tries = 0; tries < ATTACH_TRIES; tries++) {
		cleanup_fd int there = open_again(ctx, mount_fd, dest);

		if (there < 0)
			return FAIL(reterr, "openat2");
		if (mount_id(there, &found) < 0)
			return FAIL(reterr, "statx");
		if (found == mine)
			return 0;
		if (move_to(ctx, mount_fd, there, dest, reterr) < 0)
			return -1;
		(void)sched_yield();
	}
	errno = EXDEV;
	return FAIL(reterr, "move_mount");
}

int need_rootfs(struct context *ctx, struct failure *reterr)
{
	if (ctx->rootfs_fd < 0)
		ctx->rootfs_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return ctx->rootfs_fd < 0 ? FAIL(reterr, "open") : 0;
}

int take_slot(struct context *ctx, uint32_t slot, struct failure *reterr)
{
	int *held = find_slot(ctx, slot, reterr);

	if (held == NULL)
		return -1;
	if (*held >= 0)
		return steal_fd(held);
	errno = EBADF;
	return FAIL_AS(reterr, PROBLEM_BAD_PLAN, "slot");
}
