/*
 * OPEN_SOURCE and MOUNT_BIND: config.md "Mounts", open_tree(2).
 *
 * Sources that only the host side may open (behind a directory closed to the container's user
 * namespace) arrive in slots; all others are opened here, in the order of the list, so that a source
 * below an earlier mount is that mount.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>

#include "../cleanup.h"
#include "../context.h"
#include "../copyup.h"
#include "../mounting.h"
#include "../saferoot.h"

/* flags: 0 or AT_RECURSIVE. A path inside the root file system is never resolved as one of the host's. */
static int clone_source(
	const struct context *ctx, const char *path, bool in_rootfs, unsigned int flags, struct failure *reterr)
{
	cleanup_fd int fd = -1;
	int tree;

	if (!in_rootfs) {
		tree = mount_clone_path(path, flags);
		return tree < 0 ? FAIL(reterr, "open_tree") : tree;
	}
	fd = saferoot_open(ctx->rootfs_fd, path, O_PATH);
	if (fd < 0)
		return FAIL(reterr, "openat2");
	tree = mount_clone(fd, flags);
	return tree < 0 ? FAIL(reterr, "open_tree") : tree;
}

int op_open_source(struct context *ctx, const struct op_open_source *op, struct failure *reterr)
{
	unsigned int flags = (op->flags & SOURCE_RECURSIVE) != 0 ? AT_RECURSIVE : 0;
	int *slot = find_slot(ctx, op->slot, reterr);

	if (slot == NULL)
		return -1;
	*slot = clone_source(ctx, plan_str(&ctx->plan, op->path), (op->flags & SOURCE_IN_ROOTFS) != 0, flags, reterr);
	return *slot < 0 ? -1 : 0;
}

static int open_tree_of(struct context *ctx, const struct op_mount_bind *op, struct failure *reterr)
{
	unsigned int flags = (op->flags & MOUNT_RECURSIVE) != 0 ? AT_RECURSIVE : 0;
	cleanup_fd int tree = -1;
	char source[PATH_MAX];

	if (op->slot == NO_SLOT) {
		/* Slots: the container's own cgroup may be named after its id. */
		if (expand_slots(ctx, plan_str(&ctx->plan, op->source), STATUS_CREATING, source, sizeof(source)) < 0)
			return FAIL(reterr, "open_tree");
		return clone_source(ctx, source, (op->flags & MOUNT_SOURCE_IN_ROOTFS) != 0, flags, reterr);
	}
	tree = take_slot(ctx, op->slot, reterr);
	if (tree < 0)
		return -1;
	/* Cloned on the host side, it is the peer of the host's mount: what is mounted below would show there. */
	if (mount_set_propagation(tree, MS_SLAVE, true, reterr) < 0)
		return -1;
	return steal_fd(&tree);
}

/* A new file system that was made before its destination was known takes over what is there. */
static int take_over(const struct op_mount_bind *op, int target, int tree, struct failure *reterr)
{
	struct stat st;

	if ((op->flags & MOUNT_INHERIT_MODE) != 0) {
		if (fstat(target, &st) < 0)
			return FAIL(reterr, "fstat");
		/* An id that this mount does not map stays what it is: EOVERFLOW. */
		if (fchownat(tree, ".", st.st_uid, st.st_gid, 0) < 0 && errno != EOVERFLOW && errno != EINVAL)
			return FAIL(reterr, "fchownat");
		if (fchmodat(tree, ".", st.st_mode & 07777u, 0) < 0)
			return FAIL(reterr, "fchmodat");
	}
	return (op->flags & MOUNT_COPY_UP) != 0 ? copy_up(target, tree, reterr) : 0;
}

static int open_target(const struct context *ctx, const char *dest, mode_t type, bool *ret_existed)
{
	int fd = saferoot_open(ctx->rootfs_fd, dest, O_PATH | (S_ISDIR(type) ? O_DIRECTORY : 0));

	*ret_existed = fd >= 0;
	if (fd >= 0 || errno != ENOENT)
		return fd;
	return S_ISDIR(type) ? saferoot_mkdir(ctx->rootfs_fd, dest, 0755) : saferoot_mkfile(ctx->rootfs_fd, dest);
}

int op_mount_bind(struct context *ctx, const struct op_mount_bind *op, struct failure *reterr)
{
	const char *dest = plan_str(&ctx->plan, op->dest);
	cleanup_fd int tree = open_tree_of(ctx, op, reterr);
	cleanup_fd int target = -1;
	struct stat st;
	bool existed;

	if (tree < 0)
		return -1;
	if (fstat(tree, &st) < 0)
		return FAIL(reterr, "fstat");
	target = open_target(ctx, dest, st.st_mode, &existed);
	if (target < 0)
		return FAIL(reterr, "openat2");
	if (existed && take_over(op, target, tree, reterr) < 0)
		return -1;
	/* EPERM: an attribute that was asked away is locked by the user namespace. Those not named stay. */
	if (mount_set_attr(tree, op->attr_set, op->attr_clr, false, reterr) < 0)
		return -1;
	if (mount_set_attr(tree, op->rec_set, op->rec_clr, true, reterr) < 0)
		return -1;
	/* First, because an attach may fail half-way: moved to where its target was, and gone from dest. */
	if ((op->flags & MOUNT_LIVE) != 0 && live_note(ctx, tree, reterr) < 0)
		return -1;
	if (mount_attach(ctx, tree, target, dest, reterr) < 0)
		return -1;
	return mount_set_propagation(tree, op->propagation, false, reterr);
}
