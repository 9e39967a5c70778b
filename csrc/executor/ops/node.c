/*
 * MAKE_DEVICE, MAKE_SYMLINK, MAKE_DIRECTORY: config-linux.md "Devices" and "Default Devices".
 *
 * All relative to a descriptor of the parent got inside the root: an image whose /dev is a symlink
 * gets its devices where that leads inside the root, never on the host (CVE-2026-41579).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "../cleanup.h"
#include "../context.h"
#include "../device.h"
#include "../io.h"
#include "../mounting.h"
#include "../saferoot.h"
#include "../sys.h"

static bool matches(const struct op_make_device *op, const struct stat *st)
{
	if ((st->st_mode & S_IFMT) != (op->mode & S_IFMT))
		return false;
	return S_ISFIFO(op->mode) || st->st_rdev == makedev(op->major, op->minor);
}

static int wrong_device(struct failure *reterr)
{
	errno = EEXIST;
	return FAIL_AS(reterr, PROBLEM_WRONG_DEVICE, "fstat");
}

/* Opens the node without following a link and without opening the device, and checks what it is. */
static int open_node(int parent, const char *name, const struct op_make_device *op, struct failure *reterr)
{
	cleanup_fd int node = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (node < 0)
		return FAIL(reterr, "openat");
	if (fstat(node, &st) < 0)
		return FAIL(reterr, "fstat");
	if (!matches(op, &st))
		return wrong_device(reterr);
	return steal_fd(&node);
}

/* A mount of the node that the host has at path, or -1. */
static int clone_node(const struct op_make_device *op, const char *path, struct failure *reterr)
{
	cleanup_fd int node = mount_clone_path(path, 0);
	struct stat st;

	if (node < 0)
		return FAIL(reterr, "open_tree");
	if (fstat(node, &st) < 0)
		return FAIL(reterr, "fstat");
	if (!matches(op, &st))
		return wrong_device(reterr);
	return steal_fd(&node);
}

/* Where the kernel itself would have put the node of these numbers: "DEVNAME=net/tun" in sysfs. */
static int find_node(const struct op_make_device *op, char *path, size_t size)
{
	static const char key[] = "\nDEVNAME=";
	char events[4096] = "\n";
	const char *name;

	(void)snprintf(
		path, size, "/sys/dev/%s/%u:%u/uevent", S_ISBLK(op->mode) ? "block" : "char", op->major, op->minor);
	if (read_file_at(AT_FDCWD, path, events + 1, sizeof(events) - 1) < 0)
		return -1;
	name = strstr(events, key);
	if (name == NULL)
		return -1;
	name += sizeof(key) - 1;
	return snprintf(path, size, "/dev/%.*s", (int)strcspn(name, "\n"), name) < (int)size ? 0 : -1;
}

/*
 * Binds the host's node, of the same path or else of the same numbers: the way in a user namespace, which may not make
 * devices.
 */
static int bind_device(const struct context *ctx, const struct op_make_device *op, struct failure *reterr)
{
	const char *path = plan_str(&ctx->plan, op->path);
	cleanup_fd int node = clone_node(op, path, reterr);
	cleanup_fd int target = -1;
	struct failure ignored = { 0 };
	char other[PATH_MAX];

	if (node < 0 && find_node(op, other, sizeof(other)) == 0)
		node = clone_node(op, other, &ignored);
	if (node < 0)
		return -1;
	*reterr = (struct failure){ 0 };
	target = saferoot_mkfile(ctx->rootfs_fd, path);
	if (target < 0)
		return FAIL(reterr, "openat2");
	return mount_attach(ctx, node, target, path, reterr);
}

/* An existing node of the right kind and numbers is left as it is; any other is an error. */
int op_make_device(struct context *ctx, const struct op_make_device *op, struct failure *reterr)
{
	const char *path = plan_str(&ctx->plan, op->path);
	const char *name = NULL;
	cleanup_fd int parent = -1;
	cleanup_fd int node = -1;
	int made;

	if ((op->flags & DEVICE_BIND) != 0)
		return bind_device(ctx, op, reterr);
	parent = saferoot_parent(ctx->rootfs_fd, path, &name);
	if (parent < 0)
		return FAIL(reterr, "openat2");
	/* The umask is 0 in here, so the mode needs no chmod(2) afterwards. */
	made = mknodat(parent, name, op->mode, makedev(op->major, op->minor));
	if (made < 0 && errno == EPERM)
		return bind_device(ctx, op, reterr);
	if (made < 0 && errno != EEXIST)
		return FAIL(reterr, "mknodat");
	node = open_node(parent, name, op, reterr);
	if (node < 0)
		return -1;
	if (made == 0 && fchownat(node, "", op->uid, op->gid, AT_EMPTY_PATH) < 0)
		return FAIL(reterr, "fchownat");
	return 0;
}

/* Does what the link at path would name exist inside the root? A relative target begins at the link's directory. */
static bool target_exists(const struct context *ctx, const char *path, const char *target)
{
	const char *slash = strrchr(path, '/');
	size_t length = target[0] == '/' || slash == NULL ? 0 : (size_t)(slash + 1 - path);
	char full[PATH_MAX];
	cleanup_fd int fd = -1;

	if (length + strlen(target) >= sizeof(full))
		return false;
	memcpy(full, path, length);
	memcpy(full + length, target, strlen(target) + 1);
	/* O_NOFOLLOW: /proc/self/fd/0 is a magic link, and its being there is enough. */
	fd = saferoot_open(ctx->rootfs_fd, full, O_PATH | O_NOFOLLOW);
	return fd >= 0;
}

int op_make_symlink(struct context *ctx, const struct op_make_symlink *op, struct failure *reterr)
{
	const char *path = plan_str(&ctx->plan, op->path);
	const char *target = plan_str(&ctx->plan, op->target);
	const char *name = NULL;
	cleanup_fd int parent = -1;

	if ((op->flags & LINK_IF_TARGET_EXISTS) != 0 && !target_exists(ctx, path, target))
		return 0;
	parent = saferoot_parent(ctx->rootfs_fd, path, &name);
	if (parent < 0)
		return FAIL(reterr, "openat2");
	if (symlinkat(target, parent, name) == 0)
		return 0;
	if (errno != EEXIST)
		return FAIL(reterr, "symlinkat");
	if ((op->flags & LINK_REPLACE) == 0)
		return 0;
	if (unlinkat(parent, name, 0) < 0 && errno != ENOENT)
		return FAIL(reterr, "unlinkat");
	if (symlinkat(target, parent, name) < 0)
		return FAIL(reterr, "symlinkat");
	return 0;
}

int op_make_directory(struct context *ctx, const struct op_make_directory *op, struct failure *reterr)
{
	cleanup_fd int fd = saferoot_mkdir(ctx->rootfs_fd, plan_str(&ctx->plan, op->path), 0755);

	return fd < 0 ? FAIL(reterr, "mkdirat") : 0;
}
