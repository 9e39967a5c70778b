/*
 * The state directory while a container is made and removed: STATE_CREATE … STATE_REMOVE, RECORD_INIT,
 * PID_FILE. The record is complete enough for `delete --force` before the first effect on the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "../cleanup.h"
#include "../directory.h"
#include "../exitrecord.h"
#include "../io.h"
#include "../procfs.h"
#include "../relay.h"
#include "../statedir.h"
#include "../sys.h"

#define MONITOR_TRIES 500 /* of 10 ms */

/*
 * mkdir -p of an absolute path, 0700. *ret_made: the last component was missing. Sticky, which is how a user's runtime
 * directory says that a file is not to be cleaned up for its age (XDG Base Directory Specification).
 */
static int make_root(const char *path, bool *ret_made, struct failure *reterr)
{
	char prefix[PATH_MAX];
	size_t length = strlen(path);
	int error;

	if (length == 0 || path[0] != '/' || length >= sizeof(prefix)) {
		errno = ENAMETOOLONG;
		return FAIL(reterr, "mkdir");
	}
	for (size_t end = 1; end <= length; end++) {
		if (path[end] != '/' && path[end] != '\0')
			continue;
		memcpy(prefix, path, end);
		prefix[end] = '\0';
		*ret_made = mkdir(prefix, path[end] == '\0' ? 01700 : 0700) == 0;
		error = errno;
		if (*ret_made || error == EEXIST || (error == EROFS && access(prefix, F_OK) == 0))
			continue;
		errno = error;
		return FAIL(reterr, "mkdir");
	}
	return 0;
}

int op_state_create(struct context *ctx, const struct op_state_create *op, struct failure *reterr)
{
	struct timespec now;

	(void)op;
	if (make_root(ctx->args->root, &ctx->root_made, reterr) < 0)
		return -1;
	ctx->root_fd = open(ctx->args->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ctx->root_fd < 0)
		return FAIL(reterr, "open");
	if (mkdirat(ctx->root_fd, ctx->args->id, 0711) < 0)
		return FAIL_AS(reterr, errno == EEXIST ? PROBLEM_EXISTS : PROBLEM_SYSCALL, "mkdirat");
	ctx->state_fd = openat(ctx->root_fd, ctx->args->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (ctx->state_fd < 0) {
		(void)FAIL(reterr, "openat");
		(void)unlinkat(ctx->root_fd, ctx->args->id, AT_REMOVEDIR);
		return -1;
	}
	ctx->state_made = true;
	/* Somebody who looks at it before the plan is there may hold the lock for a moment. */
	if (statedir_lock(ctx, LOCK_EX, reterr) < 0)
		return -1;
	/* Whatever the caller's umask is: the program's user must reach exec.fifo. */
	if (fchmod(ctx->state_fd, 0711) < 0)
		return FAIL(reterr, "fchmod");
	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return FAIL(reterr, "clock_gettime");
	ctx->created_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	return 0;
}

int op_state_file(struct context *ctx, const struct op_state_file *op, struct failure *reterr)
{
	const char *text = map_expanded(ctx, plan_str(&ctx->plan, op->data), STATUS_CREATING, reterr);

	if (text == NULL)
		return -1;
	ctx->file_written = true;
	return statedir_write(ctx, plan_str(&ctx->plan, op->name), text, strlen(text), op->mode, reterr);
}

int op_state_expect(struct context *ctx, const struct op_state_expect *op, struct failure *reterr)
{
	const char *expected = plan_str(&ctx->plan, op->data);
	cleanup_fd int fd = openat(ctx->state_fd, plan_str(&ctx->plan, op->name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char piece[4096];
	ssize_t got;

	if (fd < 0 && errno != ENOENT)
		return FAIL(reterr, "openat");
	while (fd >= 0 && (got = read_upto(fd, piece, sizeof(piece))) != 0) {
		if (got < 0)
			return FAIL(reterr, "read");
		if (strncmp(expected, piece, (size_t)got) != 0)
			break;
		expected += got;
	}
	if ((fd < 0 || got == 0) && *expected == '\0')
		return 0;
	errno = 0;
	return FAIL_AS(reterr, PROBLEM_RECORD_CHANGED, "read");
}

int op_state_plan(struct context *ctx, const struct op_state_plan *op, struct failure *reterr)
{
	(void)op;
	return statedir_write(ctx, "plan", ctx->plan.bytes, ctx->plan.size, 0600, reterr);
}

int op_exec_fifo(struct context *ctx, const struct op_exec_fifo *op, struct failure *reterr)
{
	if (mkfifoat(ctx->state_fd, FIFO_UNFINISHED, 0600) < 0)
		return FAIL(reterr, "mkfifoat");
	/* (uid_t)-1, from a runtime that may not give files away, changes nothing. */
	if (fchownat(ctx->state_fd, FIFO_UNFINISHED, op->uid, op->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return FAIL(reterr, "fchownat");
	/* Init opens it as the program's user, whoever that is; only root reaches the directory from outside. */
	if (fchmodat(ctx->state_fd, FIFO_UNFINISHED, 0622, 0) < 0)
		return FAIL(reterr, "fchmodat");
	ctx->fifo_fd = openat(ctx->state_fd, FIFO_UNFINISHED, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return ctx->fifo_fd < 0 ? FAIL(reterr, "openat") : 0;
}

int op_record_init(struct context *ctx, const struct op_record_init *op, struct failure *reterr)
{
	(void)op;
	if (procfs_start_time(ctx->proc_fd, ctx->init_pid, &ctx->init_start) < 0)
		return FAIL(reterr, "read");
	return statedir_write_runtime(ctx, reterr);
}

int op_pid_file(struct context *ctx, const struct op_pid_file *op, struct failure *reterr)
{
	char text[16];

	(void)op;
	if (ctx->args->pid_file == NULL)
		return 0;
	(void)snprintf(text, sizeof(text), "%d", ctx->init_pid);
	return write_file_whole(ctx->args->pid_file, text) < 0 ? FAIL(reterr, "write") : 0;
}

/* The monitor of an init that has just ended may be writing its record into the directory. */
static void await_monitor(struct context *ctx)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	cleanup_fd int fd = -1;

	close_fd(&ctx->monitor_fd);
	fd = openat(ctx->state_fd, MONITOR_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	for (int i = 0; fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && i < MONITOR_TRIES; i++)
		(void)nanosleep(&pause, NULL);
}

/* The directory with the notify socket, which the container sees read-only. */
static int remove_notify(int state_fd)
{
	cleanup_fd int fd = openat(state_fd, NOTIFY_DIRECTORY_NAME, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || (unlinkat(fd, NOTIFY_SOCKET_NAME, 0) < 0 && errno != ENOENT))
		return -1;
	return unlinkat(state_fd, NOTIFY_DIRECTORY_NAME, AT_REMOVEDIR);
}

/* The entries are all ours and but for one all plain: files, the fifo. */
static int remove_entries(int fd, struct failure *reterr)
{
	struct directory directory;
	const struct dirent64 *entry;

	if (directory_rewind(&directory, fd) < 0)
		return FAIL(reterr, "lseek");
	while ((entry = directory_next(&directory)) != NULL) {
		if (unlinkat(fd, entry->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno != EISDIR || remove_notify(fd) < 0)
			return FAIL(reterr, "unlinkat");
	}
	return directory.length < 0 ? FAIL(reterr, "getdents64") : 0;
}

int op_state_remove(struct context *ctx, const struct op_state_remove *op, struct failure *reterr)
{
	(void)op;
	await_monitor(ctx);
	if (remove_entries(ctx->state_fd, reterr) < 0)
		return -1;
	if (unlinkat(ctx->root_fd, ctx->args->id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return FAIL(reterr, "unlinkat");
	return 0;
}
