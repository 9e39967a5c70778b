/*
 * wait: until the container's first process has ended, and then how it ended, as an exit record on stdout. Whoever is
 * its parent takes the status; others learn it from the record that a monitor or supervisor left, from the zombie as
 * long as it is there, or, since Linux 6.15, from a pidfd that was open before the process was reaped.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../cleanup.h"
#include "../exitrecord.h"
#include "../io.h"
#include "../oom.h"
#include "../procfs.h"
#include "../statedir.h"
#include "../verbs.h"

/* linux/pidfd.h as of 6.15; the first version of the structure. */
struct pidfd_info {
	uint64_t mask;
	uint64_t cgroupid;
	uint32_t ids[11]; /* pid, tgid, ppid, real, effective, saved and file system ids */
	int32_t exit_code;
};

_Static_assert(sizeof(struct pidfd_info) == 64, "PIDFD_INFO_SIZE_VER0");
#define PIDFD_GET_INFO	_IOWR(0xFF, 11, struct pidfd_info)
#define PIDFD_INFO_EXIT (UINT64_C(1) << 3)

/* Field 52 of /proc/PID/stat, while that is the zombie of this process. */
static int status_of_zombie(const struct context *ctx, int *ret_status)
{
	char path[32];
	char text[2048];
	const char *at;
	uint64_t start;

	(void)snprintf(path, sizeof(path), "%d/stat", ctx->init_pid);
	if (read_file_at(ctx->proc_fd, path, text, sizeof(text)) <= 0)
		return -1;
	/* The name of the program may hold anything, but the last parenthesis is its end. */
	at = strrchr(text, ')');
	if (at == NULL || at[1] != ' ' || at[2] != 'Z')
		return -1;
	if (procfs_start_time(ctx->proc_fd, ctx->init_pid, &start) < 0 || start != ctx->init_start)
		return -1;
	at = strrchr(text, ' ');
	*ret_status = atoi(at + 1);
	return 0;
}

static int status_of_pidfd(int pidfd, int *ret_status)
{
	struct pidfd_info info = { .mask = PIDFD_INFO_EXIT };

	if (pidfd < 0 || ioctl(pidfd, PIDFD_GET_INFO, &info) < 0 || (info.mask & PIDFD_INFO_EXIT) == 0)
		return -1;
	*ret_status = info.exit_code;
	return 0;
}

/* Reaped between the two questions, the first one has an answer. */
static int find_status(const struct context *ctx, int *ret_status)
{
	if (status_of_pidfd(ctx->init_pidfd, ret_status) == 0 || status_of_zombie(ctx, ret_status) == 0)
		return 0;
	return status_of_pidfd(ctx->init_pidfd, ret_status);
}

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
	bool oom;
	int status;
	int found;

	/* The command that wants to know has started us, and waits for nothing else. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (statedir_load(ctx, 0, reterr) < 0 || procfs_open(&ctx->proc_fd, reterr) < 0)
		return -1;
	ctx->cgroup_fd = statedir_open_cgroup(ctx);
	if (statedir_init_is_alive(ctx)) {
		ended.fd = ctx->init_pidfd;
		while (poll(&ended, 1, -1) < 0)
			if (errno != EINTR)
				return FAIL(reterr, "poll");
	}
	found = find_status(ctx, &status);
	/* After the status, which is gone with the zombie: the record knows more. */
	if (print_record(ctx, reterr) == 0)
		return 0;
	if (found < 0) {
		errno = 0;
		return FAIL_AS(reterr, PROBLEM_EXIT_LOST, "wait");
	}
	oom = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && oom_kills(ctx->cgroup_fd) > 0;
	return print(text, exit_record(ctx->args->id, ctx->init_pid, status, oom, text), reterr);
}
