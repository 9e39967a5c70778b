/*
 * Confinement: see confine.h. unshare(2), open_tree(2), pivot_root(2), capabilities(7).
 *
 * The names and contents of a layer come from anybody. SafeRoot already keeps each lookup below the root; should that
 * ever fail, there is nothing else to be found: CVE-2025-47290, CVE-2021-32760 and the tar library's own.
 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"
#include "mounts.h"
#include "sys.h"
#include "userns.h"
#include "xattr.h"

#define BIT(capability) (1ULL << (capability))
/* SYS_ADMIN: trusted.overlay.* takes it. */
static const uint64_t KEPT = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) |
			     BIT(CAP_MKNOD) | BIT(CAP_SETFCAP) | BIT(CAP_SYS_ADMIN);

static int drop_capabilities(struct failure *reterr)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct data[2] = {
		{ (uint32_t)KEPT, (uint32_t)KEPT, 0 },
		{ (uint32_t)(KEPT >> 32), (uint32_t)(KEPT >> 32), 0 },
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return FAIL(reterr, "prctl");
	return syscall(SYS_capset, &header, data) < 0 ? FAIL(reterr, "capset") : 0;
}

/* Whose mounts below come along: a container's are what it sees. */
static bool is_container(const struct view *view)
{
	return view->namespace_fd > 0 || view->snapshot != NULL;
}

static int open_view(const struct view *view, struct failure *reterr)
{
	struct mount_attr attributes = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
			    (view->read_only ? MOUNT_ATTR_RDONLY : 0),
	};
	unsigned int below = is_container(view) ? AT_RECURSIVE : 0;
	const char *path = view->namespace_fd > 0 ? "/" : view->snapshot != NULL ? view->snapshot[0] : NULL;
	cleanup_fd int tree = -1;

	if (path == NULL && view->count > 1)
		tree = mount_layers(view->directories, view->count, reterr);
	else if ((tree = sys_open_tree(AT_FDCWD, path == NULL ? view->directories[0] : path,
			  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | below)) < 0)
		(void)FAIL(reterr, "open_tree");
	if (tree < 0)
		return -1;
	if (sys_mount_setattr(tree, "", AT_EMPTY_PATH | below, &attributes) < 0)
		return FAIL(reterr, "mount_setattr");
	return steal_fd(&tree);
}

/* pivot_root(2) wants its new root attached somewhere; "/" of our own namespace is as good as any place. */
static int enter(int tree, struct failure *reterr)
{
	cleanup_fd int old_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old_root < 0)
		return FAIL(reterr, "open");
	if (sys_move_mount(tree, "", old_root, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return FAIL(reterr, "move_mount");
	if (fchdir(tree) < 0)
		return FAIL(reterr, "fchdir");
	if (sys_pivot_root(".", ".") < 0)
		return FAIL(reterr, "pivot_root");
	if (fchdir(old_root) < 0)
		return FAIL(reterr, "fchdir");
	if (umount2(".", MNT_DETACH) < 0)
		return FAIL(reterr, "umount2");
	return chdir("/") < 0 ? FAIL(reterr, "chdir") : 0;
}

int confine(const struct view *view, int status_fd, struct failure *reterr)
{
	cleanup_fd int tree = -1;

	/* While there is a /proc. */
	if (in_user_namespace())
		xattrs_of_user_namespace();
	/* In a container's mount namespace nothing of it may look at this process: CVE-2016-9962. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (view->namespace_fd > 0 && setns(view->namespace_fd, CLONE_NEWNS) < 0)
		return FAIL(reterr, "setns");
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) < 0)
		return FAIL(reterr, "unshare");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return FAIL(reterr, "mount");
	if (view->snapshot != NULL && mount_snapshot(view->snapshot, view->snapshot_count, reterr) < 0)
		return -1;
	tree = open_view(view, reterr);
	if (tree < 0 || enter(tree, reterr) < 0)
		return -1;
	close_except(3, (const int[]){ tree, status_fd }, 2);
	(void)umask(0);
	return drop_capabilities(reterr) < 0 ? -1 : steal_fd(&tree);
}
