/* The state directory: see statedir.h. */
#include "statedir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "freezer.h"
#include "io.h"
#include "mounting.h"
#include "procfs.h"
#include "sys.h"

#define LOCK_TRIES 1000 /* of 10 ms: a create in progress is waited for this long */

int statedir_open(struct context *ctx, struct failure *reterr)
{
	ctx->root_fd = open(ctx->args->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ctx->root_fd < 0)
		return FAIL_AS(reterr, errno == ENOENT ? PROBLEM_NOT_FOUND : PROBLEM_SYSCALL, "open");
	ctx->state_fd = openat(ctx->root_fd, ctx->args->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (ctx->state_fd < 0)
		return FAIL_AS(reterr, errno == ENOENT ? PROBLEM_NOT_FOUND : PROBLEM_SYSCALL, "openat");
	return 0;
}

int statedir_lock(struct context *ctx, int operation, struct failure *reterr)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	struct stat st;

	for (int i = 0; flock(ctx->state_fd, operation | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return FAIL(reterr, "flock");
		if (i == LOCK_TRIES)
			return FAIL_AS(reterr, PROBLEM_BUSY, "flock");
		(void)nanosleep(&pause, NULL);
	}
	/* Deleted while we waited for the lock: it is not this container's directory any more. */
	if (fstat(ctx->state_fd, &st) == 0 && st.st_nlink == 0) {
		errno = ENOENT;
		return FAIL_AS(reterr, PROBLEM_NOT_FOUND, "flock");
	}
	return 0;
}

int statedir_load_runtime(struct context *ctx, struct failure *reterr)
{
	cleanup_fd int fd = openat(ctx->state_fd, "runtime", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct runtime_record record;

	if (fd < 0 && errno == ENOENT)
		return 0; /* create was killed before it spawned anything */
	if (fd < 0)
		return FAIL(reterr, "openat");
	if (read_upto(fd, &record, sizeof(record)) != (ssize_t)sizeof(record) ||
		memcmp(record.magic, RUNTIME_MAGIC, sizeof(record.magic)) != 0 || record.pid < 0) {
		errno = EINVAL;
		(void)FAIL_AS(reterr, PROBLEM_BAD_RECORD, "read");
		failure_detail(reterr, "runtime", strlen("runtime"));
		return -1;
	}
	ctx->created_ns = record.created_ns;
	ctx->init_start = record.start_time;
	ctx->init_pid = record.pid;
	ctx->cgroup_dirs_made = record.cgroup_dirs_made;
	return 0;
}

/* No plan: create has just made the directory and holds its lock, or it was killed right there. */
static int missing_plan(struct context *ctx, struct failure *reterr)
{
	int error = errno;
	bool creating = flock(ctx->state_fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;

	errno = error;
	if (error != ENOENT)
		return FAIL(reterr, "openat");
	return FAIL_AS(reterr, creating ? PROBLEM_BUSY : PROBLEM_BAD_RECORD, creating ? "flock" : "openat");
}

int statedir_load(struct context *ctx, int lock, struct failure *reterr)
{
	cleanup_fd int fd = -1;

	if (ctx->state_fd < 0 && statedir_open(ctx, reterr) < 0)
		return -1;
	if (lock != 0 && statedir_lock(ctx, lock, reterr) < 0)
		return -1;
	fd = openat(ctx->state_fd, "plan", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return missing_plan(ctx, reterr);
	if (plan_load(fd, &ctx->plan, reterr) < 0)
		return -1;
	return statedir_load_runtime(ctx, reterr);
}

/* No fsync: nothing that this describes outlasts the system (docs/adr/0017). */
int statedir_write(
	struct context *ctx, const char *name, const void *bytes, size_t size, mode_t mode, struct failure *reterr)
{
	cleanup_fd int fd = -1;
	char temporary[64];

	if (snprintf(temporary, sizeof(temporary), ".%s.new", name) >= (int)sizeof(temporary) ||
		strchr(name, '/') != NULL) {
		errno = EINVAL;
		return FAIL_AS(reterr, PROBLEM_BAD_PLAN, "name");
	}
	fd = openat(ctx->state_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return FAIL(reterr, "openat");
	if (write_all(fd, bytes, size) < 0)
		(void)FAIL(reterr, "write");
	else if (renameat(ctx->state_fd, temporary, ctx->state_fd, name) < 0)
		(void)FAIL(reterr, "renameat");
	else
		return 0;
	(void)unlinkat(ctx->state_fd, temporary, 0);
	return -1;
}

/* Now, because the program may move its descriptors about at any time: checkpoint must know the host's files among
 * them. */
static struct runtime_stdio describe(int fd)
{
	struct runtime_stdio described = { 0 };
	struct stat st;

	if (fstat(fd, &st) == 0 && mount_id(fd, &described.mount_id) == 0) {
		described.ino = st.st_ino;
		described.mode = st.st_mode;
	}
	return described;
}

int statedir_write_runtime(struct context *ctx, struct failure *reterr)
{
	struct runtime_record record = {
		.magic = RUNTIME_MAGIC,
		.created_ns = ctx->created_ns,
		.start_time = ctx->init_start,
		.pid = ctx->init_pid,
		.cgroup_dirs_made = ctx->cgroup_dirs_made,
		.stdio = { describe(STDIN_FILENO), describe(STDOUT_FILENO), describe(STDERR_FILENO) },
	};

	return statedir_write(ctx, "runtime", &record, sizeof(record), 0600, reterr);
}

/*
 * Opens init's pidfd first and compares the start time second: a pid reused in between would have
 * another start time, and the pidfd then names the process that was compared.
 */
bool statedir_init_is_alive(struct context *ctx)
{
	struct pollfd ended = { .events = POLLIN };
	uint64_t start;

	if (ctx->init_pid <= 0)
		return false;
	if (ctx->init_pidfd < 0)
		ctx->init_pidfd = sys_pidfd_open(ctx->init_pid);
	if (ctx->init_pidfd < 0 || procfs_start_time(ctx->proc_fd, ctx->init_pid, &start) < 0)
		return false;
	/* A zombie has ended, but not one whose other threads still run: pidfd_open(2). */
	ended.fd = ctx->init_pidfd;
	return start == ctx->init_start && poll(&ended, 1, 0) == 0;
}

/* Until execve(2) init still runs the executor, from its sealed memfd. */
bool statedir_init_is_executor(struct context *ctx)
{
	char path[32];
	char target[64];
	ssize_t length;

	(void)snprintf(path, sizeof(path), "%d/exe", ctx->init_pid);
	length = readlinkat(ctx->proc_fd, path, target, sizeof(target) - 1);
	if (length < 0)
		return true; /* not ours to look at (rootless, not dumpable): the fifos alone must do */
	target[length] = '\0';
	return strncmp(target, "/memfd:" EXECUTOR_NAME, strlen("/memfd:" EXECUTOR_NAME)) == 0;
}

static bool is_frozen(struct context *ctx)
{
	cleanup_freezer freezer = { .fd = -1 };
	struct failure ignored;

	return freezer_open(ctx, &freezer, &ignored) == 0 && freezer_is_frozen(&freezer);
}

static bool has_entry(const struct context *ctx, const char *name)
{
	return faccessat(ctx->state_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Under its first name as long as create works on it: the status is "creating" until this. */
int statedir_publish_fifo(struct context *ctx, struct failure *reterr)
{
	return renameat(ctx->state_fd, FIFO_UNFINISHED, ctx->state_fd, FIFO_NAME) < 0 ? FAIL(reterr, "renameat") : 0;
}

/* Between the clone and execve(2): what of create and start is done. */
static uint32_t status_before_program(struct context *ctx)
{
	if (!statedir_init_is_executor(ctx))
		return STATUS_RUNNING;
	if (has_entry(ctx, FIFO_NAME))
		return STATUS_CREATED;
	return has_entry(ctx, FIFO_UNFINISHED) ? STATUS_CREATING : STATUS_RUNNING;
}

int statedir_status(struct context *ctx, uint32_t *ret_status, struct failure *reterr)
{
	if (ctx->proc_fd < 0 && procfs_open(&ctx->proc_fd, reterr) < 0)
		return -1;
	if (!statedir_init_is_alive(ctx))
		*ret_status = STATUS_STOPPED;
	else if (is_frozen(ctx))
		*ret_status = STATUS_PAUSED;
	else
		*ret_status = status_before_program(ctx);
	return 0;
}
