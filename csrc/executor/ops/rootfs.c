/*
 * PROPAGATION, OPEN_ROOTFS, PIVOT_ROOT: mount_namespaces(7), pivot_root(2), config.md "Root".
 *
 * pivot_root(2) wants the new root to be a mount, and neither it nor the mount it sits on to be shared.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "../cleanup.h"
#include "../context.h"
#include "../mounting.h"
#include "../procfs.h"
#include "../sys.h"

int op_propagation(struct context *ctx, const struct op_propagation *op, struct failure *reterr)
{
	cleanup_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)ctx;
	if (root < 0)
		return FAIL(reterr, "open");
	return mount_set_propagation(root, op->propagation, (op->flags & ATTR_RECURSIVE) != 0, reterr);
}

/*
 * Takes the mount that holds directory out of its peer group. MS_SLAVE and not MS_PRIVATE: what a bind
 * of this mount with rslave is to receive from the host must go on arriving. The way up is by
 * descriptor, never by mountinfo, which may be read half while mounts change.
 */
static int unshare_holding_mount(int directory, struct failure *reterr)
{
	cleanup_fd int at = fcntl(directory, F_DUPFD_CLOEXEC, 3);
	struct stat st = { 0 };
	ino_t child;
	int root;

	if (at < 0)
		return FAIL(reterr, "fcntl");
	while ((root = mount_is_root(at)) == 0) {
		cleanup_fd int up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

		child = st.st_ino;
		if (up < 0)
			return FAIL(reterr, "openat");
		if (fstat(up, &st) < 0)
			return FAIL(reterr, "fstat");
		/* The root of a chroot is its own parent; what it is mounted on is out of reach. */
		if (st.st_ino == child)
			return 0;
		close_fd(&at);
		at = steal_fd(&up);
	}
	if (root < 0)
		return FAIL(reterr, "statx");
	return mount_set_propagation(at, MS_SLAVE, false, reterr);
}

/*
 * Where the root file system is attached: on its own directory, so that hooks find it at the path they
 * know. One that came in a slot may lie behind directories that are closed to this user namespace;
 * it goes on "/", below which pivot_root(2) finds it as well.
 */
static int open_attach_point(const char *path, bool from_slot)
{
	/* With O_NOFOLLOW and O_DIRECTORY a symlink is ENOTDIR, as a file is. */
	const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = open(path, flags);

	return fd < 0 && from_slot && errno == EACCES ? open("/", flags) : fd;
}

int op_open_rootfs(struct context *ctx, const struct op_open_rootfs *op, struct failure *reterr)
{
	const unsigned int flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
	bool from_slot = op->slot != NO_SLOT;
	cleanup_fd int directory = open_attach_point(plan_str(&ctx->plan, op->path), from_slot);
	cleanup_fd int tree = -1;

	if (directory < 0)
		return FAIL(reterr, "open");
	if (unshare_holding_mount(directory, reterr) < 0)
		return -1;
	if (from_slot) {
		tree = take_slot(ctx, op->slot, reterr);
		if (tree < 0)
			return -1;
	} else {
		tree = mount_clone(directory, AT_RECURSIVE);
		if (tree < 0)
			return FAIL(reterr, "open_tree");
	}
	/* A clone made on the host side is still the peer of the host's mounts, those below included. */
	if (mount_set_propagation(tree, MS_SLAVE, from_slot, reterr) < 0)
		return -1;
	if (sys_move_mount(tree, "", directory, "", flags) < 0)
		return FAIL(reterr, "move_mount");
	close_fd(&ctx->rootfs_fd);
	ctx->rootfs_fd = steal_fd(&tree);
	return 0;
}

static bool is_directory(int fd, const char *path)
{
	struct stat here;
	struct stat there;

	return fstat(fd, &here) == 0 && stat(path, &there) == 0 && here.st_dev == there.st_dev &&
	       here.st_ino == there.st_ino;
}

/*
 * A runtime that was started in a chroot would leave the host's tree above the container's root: setns(2)
 * into the container's mount namespace goes to that tree, not to the root of init. Joining our own
 * mount namespace takes us to its real root, so that all of it is what pivot_root(2) puts away.
 */
static int leave_chroot(struct context *ctx, struct failure *reterr)
{
	cleanup_fd int own = procfs_open_namespace(ctx->proc_fd, "mnt");
	cleanup_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (own < 0 || root < 0)
		return FAIL(reterr, "open");
	if (setns(own, CLONE_NEWNS) < 0)
		return FAIL(reterr, "setns");
	/* It went to the uppermost mount on "/", which pivot_root(2) refuses if OPEN_ROOTFS attached the rootfs there.
	 */
	if (is_directory(ctx->rootfs_fd, "/") && (fchdir(root) < 0 || chroot(".") < 0))
		return FAIL(reterr, "chroot");
	/* pivot_root(2) refuses a shared root, and what was made a slave before was the chroot's. */
	return mount(NULL, "/", NULL, MS_SLAVE, NULL) < 0 ? FAIL(reterr, "mount") : 0;
}

/*
 * pivot_root(2) takes "." twice: the old root is then stacked on the new one and can be unmounted
 * through a held descriptor. No scratch directory, so a read-only root file system works.
 */
int op_pivot_root(struct context *ctx, const struct op_pivot_root *op, struct failure *reterr)
{
	cleanup_fd int old_root = -1;

	(void)op;
	if (leave_chroot(ctx, reterr) < 0)
		return -1;
	old_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (old_root < 0)
		return FAIL(reterr, "open");
	if (fchdir(ctx->rootfs_fd) < 0)
		return FAIL(reterr, "fchdir");
	if (sys_pivot_root(".", ".") < 0)
		return FAIL(reterr, "pivot_root");
	if (fchdir(old_root) < 0)
		return FAIL(reterr, "fchdir");
	/* Without this the unmount below would propagate to the host. */
	if (mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return FAIL(reterr, "mount");
	if (umount2(".", MNT_DETACH) < 0)
		return FAIL(reterr, "umount2");
	if (chdir("/") < 0)
		return FAIL(reterr, "chdir");
	return 0;
}
