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
#include "../mounting.h"
#include "../saferoot.h"

int op_open_source(struct context *ctx, const struct op_open_source *op, struct failure *reterr)
{
	unsigned int flags = (op->flags & SOURCE_RECURSIVE) != 0 ? AT_RECURSIVE : 0;
	int *slot = find_slot(ctx, op->slot, reterr);
	cleanup_fd int fd = -1;

	if (slot == NULL)
		return -1;
	fd = mount_clone_path(plan_str(&ctx->plan, op->path), flags);
	if (fd < 0)
		return FAIL(reterr, "open_tree");
	*slot = steal_fd(&fd);
	return 0;
}

static int open_tree_of(struct context *ctx, const struct op_mount_bind *op, struct failure *reterr)
{
	cleanup_fd int tree = -1;
	char source[PATH_MAX];

	if (op->slot == NO_SLOT) {
		/* Slots: the container's own cgroup may be named after its id. */
		if (expand_slots(ctx, plan_str(&ctx->plan, op->source), STATUS_CREATING, source, sizeof(source)) < 0)
			return FAIL(reterr, "open_tree");
		tree = mount_clone_path(source, (op->flags & MOUNT_RECURSIVE) != 0 ? AT_RECURSIVE : 0);
		if (tree < 0)
			return FAIL(reterr, "open_tree");
		return steal_fd(&tree);
	}
	tree = take_slot(ctx, op->slot, reterr);
	if (tree < 0)
		return -1;
	/* Cloned on the host side, it is the peer of the host's mount: what is mounted below would show there. */
	if (mount_set_propagation(tree, MS_SLAVE, true, reterr) < 0)
		return -1;
	return steal_fd(&tree);
}

int op_mount_bind(struct context *ctx, const struct op_mount_bind *op, struct failure *reterr)
{
	const char *dest = plan_str(&ctx->plan, op->dest);
	cleanup_fd int tree = open_tree_of(ctx, op, reterr);
	cleanup_fd int target = -1;
	struct stat st;

	if (tree < 0)
		return -1;
	if (fstat(tree, &st) < 0)
		return FAIL(reterr, "fstat");
	if (S_ISDIR(st.st_mode))
		target = saferoot_mkdir(ctx->rootfs_fd, dest, 0755);
	else
		target = saferoot_mkfile(ctx->rootfs_fd, dest);
	if (target < 0)
		return FAIL(reterr, "openat2");
	/* EPERM: an attribute that was asked away is locked by the user namespace. Those not named stay. */
	if (mount_set_attr(tree, op->attr_set, op->attr_clr, false, reterr) < 0)
		return -1;
	if (mount_attach(ctx, tree, target, dest, reterr) < 0)
		return -1;
	return mount_set_propagation(tree, op->propagation, false, reterr);
}
