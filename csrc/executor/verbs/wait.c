/*
 * wait: until the container's first process has ended, and then how it ended, as an exit record on stdout. Whoever is
 * its parent takes the status; others learn it from the record that a monitor or supervisor left, from the zombie as
 * long as it is there, or, since Linux 6.15, from a pidfd that was open before the process was reaped.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../cgroup.h"
#include "../cleanup.h"
#include "../exitrecord.h"
#include "../io.h"
#include "../procfs.h"
#include "../statedir.h"
#include "../verbs.h"

static int print(const char *text, size_t length, struct failure *reterr)
{
	return write_all(STDOUT_FILENO, text, length) < 0 ? FAIL(reterr, "write") : 0;
}

/* 1: there is none. A monitor that is about to write it is waited for; a killed one lets go of its lock. */
static int print_record(const struct context *ctx, struct failure *reterr)
{
	cleanup_fd int monitor = openat(ctx->state_fd, MONITOR_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[EXIT_RECORD_SIZE];
	ssize_t length;

	while (monitor >= 0 && flock(monitor, LOCK_SH) < 0)
		if (errno != EINTR)
			return FAIL(reterr, "flock");
	length = read_file_at(ctx->state_fd, EXIT_RECORD_NAME, text, sizeof(text));
	return length <= 0 ? 1 : print(text, (size_t)length, reterr);
}

int verb_wait(struct context *ctx, struct failure *reterr)
{
	struct pollfd ended = { .fd = -1, .events = POLLIN };
	char text[EXIT_RECORD_SIZE];
	bool executed;
	bool oom;
	int status;
	int found;

	/* The command that wants to know has started us, and waits for nothing else. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (statedir_load(ctx, 0, reterr) < 0 || procfs_open(&ctx->proc_fd, reterr) < 0)
		return -1;
	if (statedir_init_is_alive(ctx)) {
		ended.fd = ctx->init_pidfd;
		while (poll(&ended, 1, -1) < 0)
			if (errno != EINTR)
				return FAIL(reterr, "poll");
	}
	found = exit_status_of_init(ctx, &status, &executed);
	/* After the status, which is gone with the zombie: the record knows more. */
	if (print_record(ctx, reterr) == 0)
		return 0;
	if (found < 0) {
		errno = 0;
		return FAIL_AS(reterr, PROBLEM_EXIT_LOST, "wait");
	}
	oom = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && cgroup_was_oom_killed(ctx);
	return print(text, exit_record(ctx->args->id, ctx->init_pid, status, oom, text), reterr);
}
