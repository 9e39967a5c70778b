/* A walk over processes: see members.h. */
#include "members.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cgroup.h"
#include "cleanup.h"
#include "directory.h"
#include "plan.h"
#include "procfs.h"

#define NESTING_MAX 32 /* what a container nests deeper is reached by cgroup.kill alone */

/* A process that went since is not there to be visited: ENODEV says that its cgroup went too. */
static int visit_file(int cgroup, member_visit visit, void *data)
{
	cleanup_fd int fd = openat(cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char text[1024];
	pid_t pid = 0;
	ssize_t got;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	while ((got = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			int result = 0;

			if (text[i] != '\n') {
				pid = pid * 10 + (text[i] - '0');
				continue;
			}
			if (pid > 0)
				result = visit(pid, data);
			pid = 0;
			if (result != 0)
				return result;
		}
	}
	/* A threaded cgroup: its processes are listed in the domain above it. */
	return got == 0 || errno == ENODEV || errno == EOPNOTSUPP ? 0 : -1;
}

static int walk(int cgroup, unsigned int depth, member_visit visit, void *data)
{
	struct directory directory;
	const struct dirent64 *entry;
	int result = visit_file(cgroup, visit, data);

	if (result != 0 || depth == NESTING_MAX)
		return result;
	if (directory_rewind(&directory, cgroup) < 0)
		return -1;
	while (result == 0 && (entry = directory_next(&directory)) != NULL) {
		cleanup_fd int child = entry->d_type == DT_DIR ? cgroup_open(cgroup, entry->d_name) : -1;

		if (child >= 0)
			result = walk(child, depth + 1, visit, data);
	}
	return result;
}

int members_visit(int cgroup, member_visit visit, void *data)
{
	return walk(cgroup, 0, visit, data);
}

bool has_own_pid_namespace(const struct context *ctx)
{
	uint32_t count = plan_header(&ctx->plan)->lists[LIST_SPAWN].count;

	for (uint32_t i = 0; i < count; i++) {
		const struct op *op = plan_op(&ctx->plan, LIST_SPAWN, i);

		if (op->code == OP_CLONE)
			return (((const struct op_clone *)(const void *)op)->namespaces & CLONE_NEWPID) != 0;
	}
	return false;
}

/* Of a process that has ended, or is somebody else's whom we may not look at: false. */
static bool namespace_of(const struct context *ctx, pid_t pid, struct stat *ret_stat)
{
	cleanup_fd int fd = procfs_open_namespace_of(ctx->proc_fd, pid, "pid");

	return fd >= 0 && fstat(fd, ret_stat) == 0;
}

int members_of_namespace(const struct context *ctx, member_visit visit, void *data)
{
	cleanup_fd int processes = procfs_openat(ctx->proc_fd, ".", O_RDONLY | O_DIRECTORY);
	struct directory directory;
	const struct dirent64 *entry;
	struct stat own;
	struct stat other;
	int result = 0;

	if (processes < 0 || directory_rewind(&directory, processes) < 0)
		return -1;
	if (!namespace_of(ctx, ctx->init_pid, &own))
		return 0; /* it has just ended, and all of them with it */
	while (result == 0 && (entry = directory_next(&directory)) != NULL) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && namespace_of(ctx, pid, &other) && other.st_ino == own.st_ino)
			result = visit(pid, data);
	}
	return result;
}
