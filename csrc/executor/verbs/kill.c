/*
 * kill: one signal to init, by pidfd, so that it can never reach a process that took over the pid; or to all
 * processes of the cgroup, where the end of init is not the end of the container (pid_namespaces(7)).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../cgroup.h"
#include "../cleanup.h"
#include "../freezer.h"
#include "../io.h"
#include "../members.h"
#include "../procfs.h"
#include "../statedir.h"
#include "../sys.h"
#include "../verbs.h"

struct delivery {
	const struct context *ctx;
	const char *controllers; /* of the hierarchy of the cgroup */
	char path[PATH_MAX];	 /* of the cgroup, below the root of its hierarchy */
};

/* Is the process still in the cgroup, in this one or below? Its pid may be another's since the list was read. */
static bool is_member(const struct delivery *delivery, pid_t pid)
{
	size_t length = strlen(delivery->path);
	char name[32];
	char text[CGROUP_LINES_MAX];
	cleanup_fd int fd = -1;
	const char *at;
	ssize_t got;

	(void)snprintf(name, sizeof(name), "%d/cgroup", pid);
	fd = procfs_openat(delivery->ctx->proc_fd, name, O_RDONLY);
	got = fd < 0 ? -1 : read_upto(fd, text, sizeof(text) - 1);
	if (got <= 0)
		return false;
	text[got] = '\0';
	at = cgroup_line(text, delivery->controllers);
	return at != NULL && strncmp(at, delivery->path, length) == 0 && (at[length] == '/' || at[length] == '\0');
}

static int deliver(pid_t pid, void *data)
{
	const struct delivery *delivery = data;
	cleanup_fd int pidfd = sys_pidfd_open(pid);

	/* Looked up while the pidfd is open: if that process still lives, the pid is its own. */
	if (pidfd < 0 || !is_member(delivery, pid))
		return 0;
	if (sys_pidfd_send_signal(pidfd, delivery->ctx->args->signal) < 0 && errno != ESRCH)
		return -1;
	return 0;
}

static int signal_cgroup(struct context *ctx, const struct freezer *freezer, struct failure *reterr)
{
	struct delivery delivery = { .ctx = ctx, .controllers = freezer->controllers };

	if (ctx->args->signal == SIGKILL)
		return freezer_kill(freezer) < 0 ? FAIL(reterr, "cgroup.kill") : 0;
	if (cgroup_path(ctx, freezer->path, delivery.path, reterr) < 0)
		return -1;
	return members_visit(freezer->fd, deliver, &delivery) < 0 ? FAIL(reterr, "pidfd_send_signal") : 0;
}

/* 1: there is no cgroup with processes of this container. */
static int kill_all(struct context *ctx, struct failure *reterr)
{
	cleanup_freezer freezer = { .fd = -1 };

	if (freezer_open(ctx, &freezer, reterr) < 0)
		return -1;
	if (freezer.fd < 0 || cgroup_mark_of(ctx, freezer.fd) == MARK_OTHER || !cgroup_is_populated(freezer.fd))
		return 1;
	return signal_cgroup(ctx, &freezer, reterr);
}

int verb_kill(struct context *ctx, struct failure *reterr)
{
	uint32_t status;
	int result;

	if (statedir_load(ctx, 0, reterr) < 0 || statedir_status(ctx, &status, reterr) < 0)
		return -1;
	if (ctx->args->all || (ctx->args->signal == SIGKILL && !has_own_pid_namespace(ctx))) {
		result = kill_all(ctx, reterr);
		if (result <= 0)
			return result;
	}
	errno = 0;
	if (status == STATUS_STOPPED)
		return ctx->args->all ? 0 : FAIL_AS(reterr, PROBLEM_NOT_RUNNING, "kill");
	if (ctx->args->signal == SIGKILL)
		result = freezer_kill_init(ctx);
	else
		result = sys_pidfd_send_signal(ctx->init_pidfd, ctx->args->signal);
	if (result < 0)
		return FAIL_AS(reterr, errno == ESRCH ? PROBLEM_NOT_RUNNING : PROBLEM_SYSCALL, "pidfd_send_signal");
	return 0;
}
