/* The private procfs handle: see procfs.h; proc(5), fsopen(2). */
#include "procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "cleanup.h"
#include "context.h"
#include "io.h"
#include "sys.h"

#define PROC_ROOT_INO 1 /* include/linux/proc_fs.h: inode number of procfs's root */

/* A detached instance of this pid namespace; subset is NULL or "pid" (processes only, kernel 5.8). */
static int new_procfs(const char *subset)
{
	cleanup_fd int fs = sys_fsopen("proc", FSOPEN_CLOEXEC);

	if (fs < 0)
		return -1;
	if (subset != NULL && sys_fsconfig(fs, FSCONFIG_SET_STRING, "subset", subset, 0) < 0)
		return -1;
	if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return sys_fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

/* What is mounted on /proc, and nothing that is mounted over parts of it where the kernel lets us leave that out. */
static int clone_procfs(struct failure *reterr)
{
	const unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW;
	cleanup_fd int fd = sys_open_tree(AT_FDCWD, "/proc", flags);
	struct statfs fs;
	struct stat st;

	/* In a user namespace mounts below are locked to it: procfs_openat() refuses to cross into them. */
	if (fd < 0 && errno == EINVAL)
		fd = sys_open_tree(AT_FDCWD, "/proc", flags | AT_RECURSIVE);
	/* Without rights over mounts, as nobody special on the host's side: what is mounted there is used as it is. */
	if (fd < 0 && errno == EPERM)
		fd = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return FAIL(reterr, "open_tree");
	if (fstatfs(fd, &fs) < 0)
		return FAIL(reterr, "fstatfs");
	if (fstat(fd, &st) < 0)
		return FAIL(reterr, "fstat");
	if (fs.f_type != PROC_SUPER_MAGIC || st.st_ino != PROC_ROOT_INO) {
		errno = EXDEV;
		return FAIL_AS(reterr, PROBLEM_NOT_PROCFS, "fstatfs");
	}
	return steal_fd(&fd);
}

int procfs_open(int *ret_fd, struct failure *reterr)
{
	int fd = new_procfs(NULL);

	if (fd < 0)
		fd = clone_procfs(reterr);
	if (fd < 0)
		return -1;
	*ret_fd = fd;
	return 0;
}

void procfs_narrow(int *proc_fd)
{
	int fd = new_procfs("pid");

	if (fd < 0)
		return;
	close_fd(proc_fd);
	*proc_fd = fd;
}

/* "self" is a symlink; its text is this process' pid as this procfs sees it. */
static int expand_self(int proc_fd, const char *path, char *buffer, size_t size)
{
	char pid[16];
	ssize_t length = readlinkat(proc_fd, "self", pid, sizeof(pid) - 1);
	int written;

	if (length < 0)
		return -1;
	pid[length] = '\0';
	written = snprintf(buffer, size, "%s%s", pid, path + strlen("self"));
	if (written < 0 || (size_t)written >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

int procfs_openat(int proc_fd, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (unsigned int)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
	};
	char expanded[PATH_MAX];

	if (strncmp(path, "self/", strlen("self/")) != 0)
		return sys_openat2(proc_fd, path, &how);
	if (expand_self(proc_fd, path, expanded, sizeof(expanded)) < 0)
		return -1;
	return sys_openat2(proc_fd, expanded, &how);
}

int procfs_write(int proc_fd, const char *path, const char *value)
{
	cleanup_fd int fd = procfs_openat(proc_fd, path, O_WRONLY);

	return fd < 0 ? -1 : write_once(fd, value);
}

/* The places that follow a magic link: its directory was just reached on procfs itself. */
static int follow_magic_link(int proc_fd, const char *path, const char *name, int flags)
{
	cleanup_fd int directory = procfs_openat(proc_fd, path, O_PATH | O_DIRECTORY);

	return directory < 0 ? -1 : openat(directory, name, flags | O_CLOEXEC);
}

int procfs_open_namespace(int proc_fd, const char *name)
{
	return follow_magic_link(proc_fd, "self/ns", name, O_RDONLY);
}

int procfs_open_namespace_of(int proc_fd, pid_t pid, const char *name)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "%d/ns", pid);
	return follow_magic_link(proc_fd, path, name, O_RDONLY);
}

int procfs_open_root_of(int proc_fd, pid_t pid)
{
	char path[16];

	(void)snprintf(path, sizeof(path), "%d", pid);
	return follow_magic_link(proc_fd, path, "root", O_PATH | O_DIRECTORY);
}

int procfs_reopen(int proc_fd, int fd, int flags)
{
	char number[16];

	(void)snprintf(number, sizeof(number), "%d", fd);
	return follow_magic_link(proc_fd, "self/fd", number, flags);
}

int procfs_start_time(int proc_fd, pid_t pid, uint64_t *ret_start)
{
	char text[1024];
	char path[32];
	cleanup_fd int fd = -1;
	ssize_t length;
	char *at;

	(void)snprintf(path, sizeof(path), "%d/stat", pid);
	fd = procfs_openat(proc_fd, path, O_RDONLY);
	if (fd < 0)
		return -1;
	length = read_upto(fd, text, sizeof(text) - 1);
	if (length < 0)
		return -1;
	text[length] = '\0';
	/* The command may hold spaces and parentheses: the last ")" ends field 2. */
	at = strrchr(text, ')');
	for (int field = 2; field < 22 && at != NULL; field++)
		at = strchr(at + 1, ' ');
	if (at == NULL) {
		errno = EPROTO;
		return -1;
	}
	*ret_start = strtoull(at, NULL, 10);
	return 0;
}

int op_private_proc(struct context *ctx, const struct op_private_proc *op, struct failure *reterr)
{
	(void)op;
	/* The handle inherited from the host side shows the host's processes. */
	close_fd(&ctx->proc_fd);
	return procfs_open(&ctx->proc_fd, reterr);
}
