/*
 * OPEN_USERNS and IDMAP_MOUNT: id-mapped mounts, config.md "Mounts"; mount_setattr(2), user_namespaces(7).
 *
 * The kernel takes the mapping of a mount from a user namespace, and a user namespace needs a process to be made.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../cleanup.h"
#include "../context.h"
#include "../mounting.h"
#include "../procfs.h"
#include "../sys.h"

/* A child in a new user namespace that does nothing. CLONE_VFORK and CLONE_VM would make it wait for us, not we for it.
 */
static pid_t start_child(int *ret_pidfd)
{
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
	};
	pid_t pid = sys_clone3(&args);

	if (pid != 0)
		return pid;
	for (;;)
		(void)pause();
}

static void end_child(pid_t pid, int pidfd)
{
	(void)sys_pidfd_send_signal(pidfd, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int write_map(const struct context *ctx, pid_t pid, const char *file, const char *map, struct failure *reterr)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "%d/%s", pid, file);
	return procfs_write(ctx->proc_fd, path, map) < 0 ? FAIL(reterr, file) : 0;
}

/* The namespace of the child once its ids are mapped, or -1. */
static int map_child(const struct context *ctx, const struct op_open_userns *op, pid_t pid, struct failure *reterr)
{
	int fd;

	if (write_map(ctx, pid, "uid_map", plan_str(&ctx->plan, op->uid_map), reterr) < 0)
		return -1;
	if (write_map(ctx, pid, "gid_map", plan_str(&ctx->plan, op->gid_map), reterr) < 0)
		return -1;
	fd = procfs_open_namespace_of(ctx->proc_fd, pid, "user");
	return fd < 0 ? FAIL(reterr, "open") : fd;
}

int op_open_userns(struct context *ctx, const struct op_open_userns *op, struct failure *reterr)
{
	int *slot = find_slot(ctx, op->slot, reterr);
	cleanup_fd int pidfd = -1;
	pid_t pid;

	if (slot == NULL)
		return -1;
	pid = start_child(&pidfd);
	if (pid < 0)
		return FAIL(reterr, "clone3");
	*slot = map_child(ctx, op, pid, reterr);
	end_child(pid, pidfd);
	return *slot < 0 ? -1 : 0;
}

static int refused(int mount_fd, struct failure *reterr)
{
	char type[24];
	struct statfs fs;

	(void)FAIL(reterr, "mount_setattr");
	if (fstatfs(mount_fd, &fs) == 0) {
		(void)snprintf(type, sizeof(type), "%lx", (unsigned long)fs.f_type);
		failure_detail(reterr, type, strlen(type));
	}
	return -1;
}

int op_idmap_mount(struct context *ctx, const struct op_idmap_mount *op, struct failure *reterr)
{
	const int *mount_fd = find_slot(ctx, op->slot, reterr);
	const int *namespace = mount_fd == NULL ? NULL : find_slot(ctx, op->namespace, reterr);
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	unsigned int flags = AT_EMPTY_PATH | ((op->flags & ATTR_RECURSIVE) != 0 ? AT_RECURSIVE : 0);

	if (namespace == NULL)
		return -1;
	if (*mount_fd < 0 || *namespace < 0) {
		errno = EBADF;
		return FAIL_AS(reterr, PROBLEM_BAD_PLAN, "slot");
	}
	attr.userns_fd = (unsigned int)*namespace;
	return sys_mount_setattr(*mount_fd, "", flags, &attr) < 0 ? refused(*mount_fd, reterr) : 0;
}
