/*
 * A container that does not run, as it would see itself: see mounts.h. In the mount namespace of this process alone, so
 * that nothing is left of it whenever this process ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "mounts.h"
#include "saferoot.h"
#include "sys.h"

int mount_relative(char *const words[4], struct failure *reterr)
{
	const char *target = words[0];
	const char *type = words[1];
	bool bind = strcmp(type, "bind") == 0;
	const char *source = bind ? words[2] : type;

	if (chdir(words[2]) < 0)
		return FAIL(reterr, "chdir");
	if (mount(source, target, type, bind ? MS_BIND : 0, words[3]) < 0)
		return FAIL(reterr, "mount");
	if (!bind || strcmp(words[3], "ro") != 0)
		return 0;
	return mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0 ? FAIL(reterr, "mount") : 0;
}

static int bind_below(int root, char *const words[3], struct failure *reterr)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	cleanup_fd int tree = sys_open_tree(AT_FDCWD, words[0], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	cleanup_fd int target = -1;
	struct stat st;

	if (tree < 0 || fstat(tree, &st) < 0)
		/* What is gone from the host is not seen, and start will complain. */
		return errno == ENOENT ? 0 : FAIL(reterr, "open_tree");
	target = S_ISDIR(st.st_mode) ? saferoot_mkdir(root, words[1], 0755) : saferoot_mkfile(root, words[1]);
	if (target < 0)
		return FAIL(reterr, "openat2");
	if (strcmp(words[2], "ro") == 0 && sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &read_only) < 0)
		return FAIL(reterr, "mount_setattr");
	if (sys_move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return FAIL(reterr, "move_mount");
	return 0;
}

int mount_snapshot(char **words, int count, struct failure *reterr)
{
	cleanup_fd int root = -1;

	if (mount_relative(words, reterr) < 0)
		return -1;
	root = open(words[0], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return FAIL(reterr, "open");
	for (int i = 4; i + 2 < count; i += 3)
		if (bind_below(root, words + i, reterr) < 0)
			return -1;
	return 0;
}

static int make_target(const char *target, bool directory)
{
	int fd;

	if (directory)
		return mkdir(target, 0700) < 0 && errno != EEXIST ? -1 : 0;
	fd = open(target, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -1 : close(fd);
}

int bind_subpath(const char *target, const char *directory, const char *subpath, struct failure *reterr)
{
	cleanup_fd int root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int source = -1;
	cleanup_fd int tree = -1;
	struct stat st;

	if (root < 0)
		return FAIL(reterr, "open");
	source = saferoot_open(root, subpath, O_PATH);
	if (source < 0 || fstat(source, &st) < 0)
		return FAIL(reterr, "openat2");
	tree = sys_open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	if (tree < 0)
		return FAIL(reterr, "open_tree");
	if (make_target(target, S_ISDIR(st.st_mode)) < 0)
		return FAIL(reterr, "mkdir");
	if (sys_move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return FAIL(reterr, "move_mount");
	return 0;
}
