/*
 * start: opens exec.fifo for reading, which lets init go on, and stays until the program runs (its
 * execve closes the fifo) or init has said why not; then the poststart hooks.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../cgroup.h"
#include "../cleanup.h"
#include "../exitrecord.h"
#include "../freezer.h"
#include "../io.h"
#include "../relay.h"
#include "../statedir.h"
#include "../sys.h"
#include "../verbs.h"

#define NAME_TRIES    100
#define NAME_PAUSE_MS 5

static int require_status_created(struct context *ctx, struct failure *reterr)
{
	uint32_t status;

	if (statedir_status(ctx, &status, reterr) < 0)
		return -1;
	errno = 0;
	if (status == STATUS_CREATED)
		return 0;
	if (status == STATUS_STOPPED)
		return FAIL_AS(reterr, PROBLEM_STOPPED, "start");
	return FAIL_AS(reterr, status == STATUS_PAUSED ? PROBLEM_PAUSED : PROBLEM_NOT_CREATED, "start");
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

/* Was it killed by its seccomp profile? before: only if that was before it became the program. */
static bool seccomp_killed(struct context *ctx, bool before)
{
	bool executed;
	int status;

	return exit_status_of_init(ctx, &status, &executed) == 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS &&
	       !(before && executed);
}

static int died(struct context *ctx, struct failure *reterr)
{
	bool for_memory = cgroup_was_oom_killed(ctx);
	bool by_seccomp = seccomp_killed(ctx, false);

	errno = 0;
	if (for_memory) {
		(void)FAIL_AS(reterr, PROBLEM_OOM_KILLED, "poll");
		cgroup_detail_memory(ctx, reterr);
		return -1;
	}
	return FAIL_AS(reterr, by_seccomp ? PROBLEM_SECCOMP_KILLED : PROBLEM_INIT_DIED, "poll");
}

/* What init writes until its execve(2) closes the fifo. Bytes read, or -1. */
static ssize_t read_outcome(struct context *ctx, int fifo, char *buffer, size_t size, struct failure *reterr)
{
	size_t length = 0;
	/* If the program runs by now, what init wrote is there, or a start that was killed took it; none will come. */
	int ready = statedir_init_is_executor(ctx) ? wait_readable(ctx, fifo, reterr) : 1;

	while (ready > 0 && length < size) {
		ssize_t got = read(fifo, buffer + length, size - length);

		if (got == 0)
			break;
		if (got > 0)
			length += (size_t)got;
		else if (errno == EAGAIN)
			ready = wait_readable(ctx, fifo, reterr);
		else if (errno != EINTR)
			return FAIL(reterr, "read");
	}
	return ready < 0 ? -1 : (ssize_t)length;
}

/*
 * Descriptors are closed a moment before execve(2) gives the process its new name, or before it is dead: which of the
 * two is waited for. A program that has this name of its own accord is one that runs.
 */
static bool ended_as_init(struct context *ctx)
{
	struct pollfd ended = { .fd = ctx->init_pidfd, .events = POLLIN };
	char path[32];
	char text[512];

	(void)snprintf(path, sizeof(path), "%d/stat", ctx->init_pid);
	for (int i = 0; i < NAME_TRIES; i++) {
		if (read_file_at(ctx->proc_fd, path, text, sizeof(text)) <= 0 ||
			strstr(text, "(" INIT_NAME ")") == NULL)
			return false;
		if (poll(&ended, 1, NAME_PAUSE_MS) > 0)
			return true;
	}
	return false;
}

/* "0", and a record if it failed later: none means that the program runs. */
static int judge(struct context *ctx, const char *bytes, size_t length, struct failure *reterr)
{
	size_t greeting = length > 0 && bytes[0] == '0' ? 1 : 0;

	/* A start that was killed took the greeting; end of file says that the program runs, unless nobody lives. */
	if (length == 0 && !statedir_init_is_alive(ctx))
		return died(ctx, reterr);
	/* With no_new_privs the filter comes last, and execve(2) itself may be what it kills. */
	if (length == greeting)
		return ended_as_init(ctx) && seccomp_killed(ctx, true) ? died(ctx, reterr) : 0;
	if (length - greeting != sizeof(*reterr) || memcmp(bytes + greeting, &(uint32_t){ FAILURE_MAGIC }, 4) != 0)
		return died(ctx, reterr);
	memcpy(reterr, bytes + greeting, sizeof(*reterr));
	return -1;
}

/* One that stays does no harm: the program's own name tells the status, and delete removes all that is there. */
static void remove_fifo(struct context *ctx)
{
	struct failure warning = { 0 };

	if (unlinkat(ctx->state_fd, FIFO_NAME, 0) == 0)
		return;
	(void)FAIL_AS(&warning, PROBLEM_FIFO_LEFT, "unlinkat");
	report_warning(ctx, &warning);
}

/*
 * The fifo stays until the outcome is known: until then the status is "created", and when this start is killed
 * the next one takes over.
 */
static int release_init(struct context *ctx, struct failure *reterr)
{
	cleanup_fd int fifo = openat(ctx->state_fd, FIFO_NAME, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	char bytes[1 + sizeof(struct failure)];
	ssize_t length;

	if (fifo < 0)
		return FAIL(reterr, "openat");
	length = read_outcome(ctx, fifo, bytes, sizeof(bytes), reterr);
	if (length < 0) {
		/* It goes on, and nobody will know whether it became the program: no start failed and left one running.
		 */
		(void)freezer_kill_init(ctx);
		return -1;
	}
	remove_fifo(ctx);
	return judge(ctx, bytes, (size_t)length, reterr);
}

/* The socket for READY=1 must be there before the program is. 0: bound, 1: nobody wants to know, -1. */
static int bind_notify(struct context *ctx, int *ret_own, struct failure *reterr)
{
	if (ctx->args->notify_fd >= 0)
		return relay_bind(ctx, ctx->args->notify_fd, reterr);
	if (ctx->args->notify_socket == NULL)
		return 1;
	*ret_own = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return *ret_own < 0 ? FAIL(reterr, "socket") : relay_bind(ctx, *ret_own, reterr);
}

int verb_start(struct context *ctx, struct failure *reterr)
{
	cleanup_fd int notify = -1;
	int bound;

	if (statedir_load(ctx, LOCK_EX, reterr) < 0 || require_status_created(ctx, reterr) < 0)
		return -1;
	trace_mark(ctx, TRACE_LOADED);
	bound = bind_notify(ctx, &notify, reterr);
	if (bound < 0 || release_init(ctx, reterr) < 0)
		return -1;
	trace_mark(ctx, TRACE_RELEASED);
	if (run_list(ctx, LIST_STARTED, reterr) == 0) {
		if (bound != 0 || notify < 0)
			return 0;
		/* However long that takes: others may work on the container meanwhile. */
		(void)flock(ctx->state_fd, LOCK_UN);
		return relay_wait(ctx, notify, reterr);
	}
	/* runtime.md since 1.3: a poststart hook that fails stops the container. */
	(void)freezer_kill_init(ctx);
	return -1;
}
