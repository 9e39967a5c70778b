/*
 * CGROUP_OPEN, CGROUP_OPEN_V1, CGROUP_JOIN, CGROUP_WRITE, CGROUP_WRITE_EITHER: into cgroups that there are.
 * Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/cgroups.rst.
 */
#include "../cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../cleanup.h"
#include "../io.h"
#include "../procfs.h"

#define ENABLED_MAX   512
#define JOIN_TRIES    5
#define JOIN_PAUSE_NS (30 * 1000 * 1000)

/* A file of the cgroup and no path: "../x" would be another cgroup's (GHSA-5g49-rx9x-qfc6). */
static int write_value(int cgroup, const char *file, const char *value)
{
	if (file[0] == '\0' || strchr(file, '/') != NULL || strcmp(file, ".") == 0 || strcmp(file, "..") == 0) {
		errno = EINVAL;
		return -1;
	}
	return write_file_at(cgroup, file, value);
}

int op_cgroup_write(struct context *ctx, const struct op_cgroup_write *op, struct failure *reterr)
{
	const int *fd = cgroup_fd_of(ctx, op->hierarchy, reterr);

	if (fd == NULL)
		return -1;
	if (write_value(*fd, plan_str(&ctx->plan, op->file), plan_str(&ctx->plan, op->value)) == 0)
		return 0;
	if (errno == ENOENT && (op->flags & WRITE_IGNORE_MISSING) != 0)
		return 0;
	if (errno == EINVAL && (op->flags & WRITE_IGNORE_INVALID) != 0)
		return 0;
	return FAIL(reterr, "write");
}

int op_cgroup_write_either(struct context *ctx, const struct op_cgroup_write_either *op, struct failure *reterr)
{
	const int *fd = cgroup_fd_of(ctx, op->hierarchy, reterr);

	if (fd == NULL)
		return -1;
	if (write_value(*fd, plan_str(&ctx->plan, op->file), plan_str(&ctx->plan, op->value)) == 0)
		return 0;
	if (errno != ENOENT)
		return FAIL(reterr, "write");
	if (write_value(*fd, plan_str(&ctx->plan, op->other_file), plan_str(&ctx->plan, op->other_value)) < 0)
		return FAIL(reterr, "write");
	return 0;
}

/* Init's pid as fdinfo of its pidfd tells it. 0 when it is dead. */
static pid_t pid_of(struct context *ctx, int pidfd)
{
	char path[48];
	char text[512];
	const char *at;
	cleanup_fd int fd = -1;
	ssize_t length;
	int pid;

	(void)snprintf(path, sizeof(path), "self/fdinfo/%d", pidfd);
	fd = procfs_openat(ctx->proc_fd, path, O_RDONLY);
	length = fd < 0 ? -1 : read_upto(fd, text, sizeof(text) - 1);
	if (length <= 0)
		return 0;
	text[length] = '\0';
	at = strstr(text, "\nPid:");
	pid = at == NULL ? 0 : atoi(at + strlen("\nPid:"));
	return pid > 0 ? pid : 0;
}

/* The cgroup of this hierarchy that init is in, whose path counts from the root of the mount. fd, or -1. */
static int open_init_cgroup(struct context *ctx, int mount, const char *controllers, struct failure *reterr)
{
	char path[48];
	char text[CGROUP_LINES_MAX];
	cleanup_fd int fd = -1;
	ssize_t length;
	int cgroup;
	const char *at;

	(void)snprintf(path, sizeof(path), "%d/cgroup", pid_of(ctx, ctx->target_pidfd));
	fd = procfs_openat(ctx->proc_fd, path, O_RDONLY);
	if (fd < 0)
		return FAIL(reterr, "openat2");
	length = read_upto(fd, text, sizeof(text) - 1);
	if (length <= 0)
		return FAIL(reterr, "read");
	text[length] = '\0';
	at = cgroup_line(text, controllers);
	if (at == NULL) {
		errno = ENOENT;
		return FAIL(reterr, "cgroup");
	}
	cgroup = cgroup_open(mount, *at == '\0' ? "." : at);
	return cgroup < 0 ? FAIL(reterr, "openat2") : cgroup;
}

int op_cgroup_open(struct context *ctx, const struct op_cgroup_open *op, struct failure *reterr)
{
	cleanup_fd int mount = -1;
	char path[PATH_MAX];
	char enabled[ENABLED_MAX];

	if (cgroup_path(ctx, plan_str(&ctx->plan, op->path), path, reterr) < 0)
		return -1;
	mount = open(plan_str(&ctx->plan, op->mount), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mount < 0)
		return FAIL(reterr, "open");
	ctx->cgroup_fd = cgroup_open(mount, path);
	if (ctx->cgroup_fd < 0 && errno != ENOENT)
		return FAIL(reterr, "openat2");
	/* A cgroup that passes controllers on takes no process (EBUSY): an init such as systemd moved itself below. */
	if (ctx->cgroup_fd >= 0 &&
		read_file_at(ctx->cgroup_fd, "cgroup.subtree_control", enabled, sizeof(enabled)) > 0 &&
		enabled[0] > ' ')
		close_fd(&ctx->cgroup_fd);
	if (ctx->cgroup_fd < 0)
		ctx->cgroup_fd = open_init_cgroup(ctx, mount, "", reterr);
	return ctx->cgroup_fd < 0 ? -1 : 0;
}

int op_cgroup_open_v1(struct context *ctx, const struct op_cgroup_open_v1 *op, struct failure *reterr)
{
	int *fd = cgroup_fd_of(ctx, op->hierarchy, reterr);
	cleanup_fd int mount = -1;
	char path[PATH_MAX];

	if (fd == NULL || cgroup_path(ctx, plan_str(&ctx->plan, op->path), path, reterr) < 0)
		return -1;
	mount = open(plan_str(&ctx->plan, op->mount), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mount < 0)
		return FAIL(reterr, "open");
	*fd = cgroup_open(mount, path);
	if (*fd < 0 && errno != ENOENT)
		return FAIL(reterr, "openat2");
	if (*fd < 0)
		*fd = open_init_cgroup(ctx, mount, plan_str(&ctx->plan, op->controllers), reterr);
	return *fd < 0 ? -1 : 0;
}

int op_cgroup_join(struct context *ctx, const struct op_cgroup_join *op, struct failure *reterr)
{
	const struct timespec pause = { .tv_nsec = JOIN_PAUSE_NS };
	const int *fd = cgroup_fd_of(ctx, op->hierarchy, reterr);
	char pid[16];

	if (fd == NULL)
		return -1;
	(void)snprintf(pid, sizeof(pid), "%d", ctx->init_pid);
	for (int i = 0; write_file_at(*fd, "cgroup.procs", pid) < 0; i++) {
		/* The cpu controller refuses a process that the scheduler has not seen yet. */
		if (errno != EINVAL || i == JOIN_TRIES)
			return FAIL(reterr, "cgroup.procs");
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}
