/*
 * CGROUP_KILL, CGROUP_KILL_V1 and CGROUP_REMOVE. What is absent, or goes while we look, is success: a delete may be
 * the second one, and others clean up too (ENOENT and ENODEV).
 */
#include "../cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../cleanup.h"
#include "../directory.h"
#include "../freezer.h"

/* The kernel lets go of a dead process' cgroup a little after the process is reaped. */
#define BUSY_PAUSE_NS (5 * 1000 * 1000)
#define BUSY_TRIES    400

static bool is_gone(int error)
{
	return error == ENOENT || error == ENODEV;
}

/* The cgroup, or -1 with errno; *ret_mount is the root of its hierarchy. */
static int open_cgroup(const char *mount, const char *path, int *ret_mount)
{
	*ret_mount = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_mount < 0 ? -1 : cgroup_open(*ret_mount, path);
}

static int kill_all(
	const struct context *ctx, const struct freezer *freezer, uint32_t hierarchy, struct failure *reterr)
{
	if (!cgroup_may_be_emptied(ctx, freezer->fd, hierarchy) || !cgroup_is_populated(freezer->fd))
		return 0;
	if (freezer_kill(freezer) < 0)
		return FAIL(reterr, freezer->v1 ? "freezer.state" : "cgroup.kill");
	return freezer_wait_empty(freezer, reterr);
}

int op_cgroup_kill(struct context *ctx, const struct op_cgroup_kill *op, struct failure *reterr)
{
	char path[PATH_MAX];
	cleanup_fd int mount = -1;
	cleanup_fd int fd = -1;

	if (cgroup_path(ctx, plan_str(&ctx->plan, op->path), path, reterr) < 0)
		return -1;
	fd = open_cgroup(plan_str(&ctx->plan, op->mount), path, &mount);
	if (fd < 0)
		return is_gone(errno) ? 0 : FAIL(reterr, "openat2");
	return kill_all(ctx, &(struct freezer){ .fd = fd }, 0, reterr);
}

int op_cgroup_kill_v1(struct context *ctx, const struct op_cgroup_kill_v1 *op, struct failure *reterr)
{
	char path[PATH_MAX];
	cleanup_fd int mount = -1;
	cleanup_fd int fd = -1;

	if (cgroup_path(ctx, plan_str(&ctx->plan, op->path), path, reterr) < 0)
		return -1;
	fd = open_cgroup(plan_str(&ctx->plan, op->mount), path, &mount);
	if (fd < 0)
		return is_gone(errno) ? 0 : FAIL(reterr, "openat2");
	return kill_all(ctx, &(struct freezer){ .fd = fd, .v1 = true }, op->hierarchy, reterr);
}

static bool pause_and_retry(unsigned int *tries)
{
	const struct timespec pause = { .tv_nsec = BUSY_PAUSE_NS };

	if (++*tries > BUSY_TRIES)
		return false;
	(void)nanosleep(&pause, NULL);
	return true;
}

/*
 * Removes the sub-directories that can be removed at once. *ret_busy: one that cannot, to be emptied
 * first; empty if none is left. The number removed, or -1 with errno.
 */
static int remove_children(int fd, char *ret_busy)
{
	struct directory directory;
	const struct dirent64 *entry;
	int removed = 0;

	ret_busy[0] = '\0';
	if (directory_rewind(&directory, fd) < 0)
		return -1;
	while ((entry = directory_next(&directory)) != NULL) {
		if (entry->d_type != DT_DIR)
			continue;
		if (unlinkat(fd, entry->d_name, AT_REMOVEDIR) == 0)
			removed++;
		else if (errno == EBUSY)
			strcpy(ret_busy, entry->d_name);
		else if (!is_gone(errno))
			return -1;
	}
	return removed;
}

/*
 * Everything below fd, children first. Two descriptors whatever the depth is, as the container chose
 * it; "..": a cgroup cannot be moved.
 */
static int remove_below(int top)
{
	cleanup_fd int fd = fcntl(top, F_DUPFD_CLOEXEC, 3);
	char busy[NAME_MAX + 1];
	unsigned int tries = 0;
	unsigned long depth = 0;

	for (;;) {
		int removed = remove_children(fd, busy);
		bool down = busy[0] != '\0';
		int next;

		if (removed < 0)
			return is_gone(errno) ? 0 : -1;
		if (!down && depth == 0)
			return 0;
		/* Refused from above although nothing is below: processes that are on their way out. */
		if (!down && removed == 0 && !pause_and_retry(&tries)) {
			errno = EBUSY;
			return -1;
		}
		next = down ? cgroup_open(fd, busy) : openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (next < 0)
			return is_gone(errno) ? 0 : -1;
		depth = down ? depth + 1 : depth - 1;
		close_fd(&fd);
		fd = next;
	}
}

/* Cuts "a/b/c" down to "a/b" and returns "c"; a single component stays and is returned. */
static const char *split(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL)
		return path;
	*slash = '\0';
	return slash + 1;
}

static int open_parent(int mount, const char *path, const char *name)
{
	return cgroup_open(mount, name == path ? "." : path);
}

/* It is ours alone, so what is still in it (after a create that was killed half way) may be killed. */
static int empty_leaf(int fd, struct failure *reterr)
{
	const struct freezer freezer = { .fd = fd };

	/* cgroup2 alone: in cgroup v1 the freezer's op has done it. */
	if (!cgroup_event(fd, "populated"))
		return 0;
	return freezer_kill(&freezer) < 0 ? FAIL(reterr, "cgroup.kill") : freezer_wait_empty(&freezer, reterr);
}

static int remove_leaf(int mount, char *path, int fd, struct failure *reterr)
{
	const char *name = split(path);
	cleanup_fd int parent = open_parent(mount, path, name);
	unsigned int tries = 0;

	if (parent < 0)
		return is_gone(errno) ? 0 : FAIL(reterr, "openat2");
	if (empty_leaf(fd, reterr) < 0)
		return -1;
	while (remove_below(fd) == 0) {
		if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || is_gone(errno))
			return 0;
		if (errno != EBUSY || !pause_and_retry(&tries))
			break;
	}
	(void)FAIL_AS(reterr, errno == EBUSY ? PROBLEM_BUSY : PROBLEM_SYSCALL, "unlinkat");
	cgroup_detail_pids(fd, reterr);
	return -1;
}

/* Upwards as long as create made them and nobody else uses them. level: of path, counted from the leaf, which is 0. */
static void remove_empty(const struct context *ctx, int mount, char *path, uint32_t level, uint32_t made)
{
	const char *name = NULL;

	for (; name != path; level++) {
		cleanup_fd int fd = cgroup_open(mount, path);
		enum cgroup_mark mark = fd < 0 ? MARK_NONE : cgroup_mark_of(ctx, fd);
		cleanup_fd int parent = -1;

		name = split(path);
		if (fd < 0)
			continue;
		if (mark != MARK_SHARED && (mark != MARK_NONE || level >= made))
			return;
		parent = open_parent(mount, path, name);
		if (parent >= 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0 && !is_gone(errno))
			return;
	}
}

int op_cgroup_remove(struct context *ctx, const struct op_cgroup_remove *op, struct failure *reterr)
{
	char path[PATH_MAX];
	cleanup_fd int mount = -1;
	cleanup_fd int fd = -1;
	uint32_t made = cgroup_made(ctx, op->hierarchy);
	enum cgroup_mark mark;

	if (cgroup_path(ctx, plan_str(&ctx->plan, op->path), path, reterr) < 0)
		return -1;
	fd = open_cgroup(plan_str(&ctx->plan, op->mount), path, &mount);
	if (fd < 0 && !is_gone(errno))
		return FAIL(reterr, "openat2");
	mark = fd < 0 ? MARK_SHARED : cgroup_mark_of(ctx, fd);
	/* One that was there before the container, or that is another's by now, stays. */
	if (mark == MARK_OTHER || (mark == MARK_NONE && made == 0))
		return 0;
	if (mark == MARK_SHARED) {
		remove_empty(ctx, mount, path, 0, made);
		return 0;
	}
	if (remove_leaf(mount, path, fd, reterr) < 0)
		return -1;
	remove_empty(ctx, mount, path, 1, made);
	return 0;
}
