/*
 * start: opens exec.fifo for reading, which lets init go on, and stays until the program runs (its
 * execve closes the fifo) or init has said why not; then the poststart hooks.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "../cleanup.h"
#include "../io.h"
#include "../statedir.h"
#include "../sys.h"
#include "../verbs.h"

static int require_created(struct context *ctx, struct failure *reterr)
{
	uint32_t status;

	if (statedir_load(ctx, LOCK_EX, reterr) < 0 || statedir_status(ctx, &status, reterr) < 0)
		return -1;
	errno = 0;
	if (status == STATUS_STOPPED)
		return FAIL_AS(reterr, PROBLEM_STOPPED, "start");
	if (status != STATUS_CREATED)
		return FAIL_AS(reterr, PROBLEM_NOT_CREATED, "start");
	return 0;
}

/* 1: readable (bytes or end of file), 0: init died and left nothing to read, -1: *reterr. */
static int wait_readable(struct context *ctx, int fifo, struct failure *reterr)
{
	struct pollfd fds[2] = {
		{ .fd = fifo, .events = POLLIN },
		{ .fd = ctx->init_pidfd, .events = POLLIN },
	};

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return FAIL(reterr, "poll");
	return fds[0].revents != 0 ? 1 : 0;
}

static int died(struct failure *reterr)
{
	errno = 0;
	return FAIL_AS(reterr, PROBLEM_INIT_DIED, "poll");
}

/* Init's failure record, byte after byte until end of file: none means that the program runs. */
static int read_outcome(struct context *ctx, int fifo, struct failure *reterr)
{
	struct failure record;
	size_t length = 0;

	for (;;) {
		ssize_t got = read(fifo, (char *)&record + length, sizeof(record) - length);

		if (got > 0)
			length += (size_t)got;
		if (got == 0 || length == sizeof(record))
			break;
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return FAIL(reterr, "read");
		/* Dead with the write end already gone: read() says so itself, as end of file. */
		if (got < 0 && wait_readable(ctx, fifo, reterr) < 0)
			return -1;
	}
	if (length == 0)
		return 0;
	if (length != sizeof(record) || record.magic != FAILURE_MAGIC)
		return died(reterr);
	*reterr = record;
	return -1;
}

static int release_init(struct context *ctx, struct failure *reterr)
{
	cleanup_fd int fifo = openat(ctx->state_fd, "exec.fifo", O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	char byte;
	int readable;

	if (fifo < 0)
		return FAIL(reterr, "openat");
	readable = wait_readable(ctx, fifo, reterr);
	if (readable < 0)
		return -1;
	if (readable == 0 || read(fifo, &byte, 1) != 1)
		return died(reterr);
	if (unlinkat(ctx->state_fd, "exec.fifo", 0) < 0)
		return FAIL(reterr, "unlinkat");
	return read_outcome(ctx, fifo, reterr);
}

int verb_start(struct context *ctx, struct failure *reterr)
{
	if (require_created(ctx, reterr) < 0 || release_init(ctx, reterr) < 0)
		return -1;
	if (run_list(ctx, LIST_STARTED, reterr) == 0)
		return 0;
	/* runtime.md since 1.3: a poststart hook that fails stops the container. */
	(void)sys_pidfd_send_signal(ctx->init_pidfd, SIGKILL);
	return -1;
}
