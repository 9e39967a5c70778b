/*
 * overlayfs of layers: see mounts.h. The lower directories are handed to the kernel one by one where it can
 * (Linux 6.8, "lowerdir+"): a value given to fsconfig(2) has at most 255 bytes. Before that mount(2) takes all options
 * on one page.
 */
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cleanup.h"
#include "sys.h"
#include "userns.h"

static int add_layers(int fs, char **directories, int count)
{
	if (in_user_namespace() && sys_fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
		return -1;
	for (int i = 0; i < count; i++)
		if (sys_fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir+", directories[i], 0) < 0)
			return -1;
	return sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

/* For kernels before 6.8: attached where nobody else looks, in our own mount namespace, and taken off again. */
static int mount_by_page(char **directories, int count, struct failure *reterr)
{
	char options[4096] = "userxattr,lowerdir=";
	char *from = in_user_namespace() ? options : options + strlen("userxattr,");
	size_t length = strlen(options);
	cleanup_fd int tree = -1;

	for (int i = 0; i < count; i++) {
		size_t more = strlen(directories[i]);

		if (length + more + 2 > sizeof(options)) {
			errno = E2BIG;
			return FAIL(reterr, "mount");
		}
		if (i > 0)
			options[length++] = ':';
		memcpy(options + length, directories[i], more + 1);
		length += more;
	}
	if (mount("overlay", directories[0], "overlay", MS_RDONLY, from) < 0)
		return FAIL(reterr, "mount");
	tree = sys_open_tree(AT_FDCWD, directories[0], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		(void)FAIL(reterr, "open_tree");
	(void)umount2(directories[0], MNT_DETACH);
	return steal_fd(&tree);
}

int mount_layers(char **directories, int count, struct failure *reterr)
{
	cleanup_fd int fs = sys_fsopen("overlay", FSOPEN_CLOEXEC);
	int tree;

	if (fs < 0)
		return FAIL(reterr, "fsopen");
	if (add_layers(fs, directories, count) < 0)
		return errno == EINVAL ? mount_by_page(directories, count, reterr) : FAIL(reterr, "fsconfig");
	tree = sys_fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return tree < 0 ? FAIL(reterr, "fsmount") : tree;
}
