/*
 * ATTACH_ROOTFS, DETACH_ROOTFS, CHROOT, OPEN_INIT_ROOT: a container that inherits the mount namespace of the runtime
 * (config-linux.md "Namespaces"). Its root file system is bound on its own directory in the host's tree, all its mounts
 * lie below, and delete detaches the whole with one call. The state directory says which mount it is: a container that
 * may mount could have put another one there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "../cleanup.h"
#include "../context.h"
#include "../io.h"
#include "../mounting.h"
#include "../procfs.h"
#include "../statedir.h"
#include "../sys.h"

#define RECORD_NAME "rootfs-mount"

/* With O_NOFOLLOW and O_DIRECTORY a symlink is ENOTDIR, as a file is. */
static int open_place(const char *path)
{
	return open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int record(struct context *ctx, int tree, struct failure *reterr)
{
	char text[24];
	uint64_t id;

	if (mount_id(tree, &id) < 0)
		return FAIL(reterr, "statx");
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)id);
	return statedir_write(ctx, RECORD_NAME, text, strlen(text), 0600, reterr);
}

int op_attach_rootfs(struct context *ctx, const struct op_attach_rootfs *op, struct failure *reterr)
{
	const unsigned int flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
	cleanup_fd int place = open_place(plan_str(&ctx->plan, op->path));
	cleanup_fd int tree = -1;

	if (place < 0)
		return FAIL(reterr, "open");
	tree = mount_clone(place, AT_RECURSIVE);
	if (tree < 0)
		return FAIL(reterr, "open_tree");
	/* Before it is attached: whoever is killed here leaves a record that leads nowhere, not a mount without one. */
	if (record(ctx, tree, reterr) < 0)
		return -1;
	if (sys_move_mount(tree, "", place, "", flags) < 0)
		return FAIL(reterr, "move_mount");
	/* On a shared mount it has become shared: what the container mounts is not for other mount namespaces. */
	if (mount_set_propagation(tree, MS_PRIVATE, true, reterr) < 0)
		return -1;
	ctx->rootfs_fd = steal_fd(&tree);
	return 0;
}

/* Is the mount on place still the one that was recorded? Anything else is not ours to unmount. */
static bool is_recorded(const struct context *ctx, int place)
{
	char text[24];
	uint64_t id;

	return read_file_at(ctx->state_fd, RECORD_NAME, text, sizeof(text)) > 0 && mount_id(place, &id) == 0 &&
	       mount_is_root(place) == 1 && strtoull(text, NULL, 10) == id;
}

int op_detach_rootfs(struct context *ctx, const struct op_detach_rootfs *op, struct failure *reterr)
{
	cleanup_fd int place = open_place(plan_str(&ctx->plan, op->path));
	int result;

	close_fd(&ctx->rootfs_fd);
	if (place < 0 || !is_recorded(ctx, place))
		return 0;
	if (fchdir(place) < 0)
		return FAIL(reterr, "fchdir");
	result = umount2(".", MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? FAIL(reterr, "umount2") : 0;
	return chdir("/") < 0 ? FAIL(reterr, "chdir") : result;
}

int op_open_init_root(struct context *ctx, const struct op_open_init_root *op, struct failure *reterr)
{
	cleanup_fd int root = procfs_open_root_of(ctx->proc_fd, ctx->target_pid);

	(void)op;
	if (root < 0)
		return FAIL(reterr, "openat");
	/* It lives, so the pid was its own until now. */
	if (sys_pidfd_send_signal(ctx->target_pidfd, 0) < 0)
		return FAIL(reterr, "pidfd_send_signal");
	ctx->rootfs_fd = steal_fd(&root);
	return 0;
}

int op_chroot(struct context *ctx, const struct op_chroot *op, struct failure *reterr)
{
	(void)op;
	if (fchdir(ctx->rootfs_fd) < 0)
		return FAIL(reterr, "fchdir");
	if (chroot(".") < 0)
		return FAIL(reterr, "chroot");
	return chdir("/") < 0 ? FAIL(reterr, "chdir") : 0;
}
