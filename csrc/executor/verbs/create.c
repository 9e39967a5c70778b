/*
 * create, exec and mounts: run the plan's setup, spawn and settle lists, and undo everything when one fails
 * (runtime.md: an error leaves the environment as if the operation had never been tried).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../cgroup.h"
#include "../channel.h"
#include "../cleanup.h"
#include "../procfs.h"
#include "../statedir.h"
#include "../sys.h"
#include "../verbs.h"

#define REAP_DEADLINE_MS 10000

static int check_preserved_fds(const struct args *args, struct failure *reterr)
{
	for (int fd = 3; fd < 3 + args->preserve_fds; fd++) {
		if (fcntl(fd, F_GETFD) < 0) {
			(void)FAIL_AS(reterr, PROBLEM_USAGE, "fcntl");
			reterr->index = (uint32_t)fd;
			return -1;
		}
	}
	return 0;
}

/* Blocked in every child too, until it becomes a program; SIGKILL leaves a record that delete --force understands. */
static int watch_signals(struct context *ctx, struct failure *reterr)
{
	sigset_t stop;

	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGHUP);
	(void)sigaddset(&stop, SIGINT);
	(void)sigaddset(&stop, SIGQUIT);
	(void)sigaddset(&stop, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &stop, NULL) < 0)
		return FAIL(reterr, "sigprocmask");
	ctx->signal_fd = signalfd(-1, &stop, SFD_CLOEXEC);
	return ctx->signal_fd < 0 ? FAIL(reterr, "signalfd") : 0;
}

static int prepare(struct context *ctx, struct failure *reterr)
{
	if (check_preserved_fds(ctx->args, reterr) < 0)
		return -1;
	if (ctx->proc_fd < 0 && procfs_open(&ctx->proc_fd, reterr) < 0)
		return -1;
	trace_mark(ctx, TRACE_LOADED);
	return watch_signals(ctx, reterr) < 0 ? -1 : channel_open(ctx, reterr);
}

/* In the stage the list ends in CLONE, which exits, or fails: it never comes back as the executor. */
static int spawn(struct context *ctx, struct failure *reterr)
{
	int result = run_list(ctx, LIST_SPAWN, reterr);

	if (ctx->role != ROLE_STAGE)
		return result;
	if (result < 0)
		channel_send_record(ctx, reterr);
	_exit(1);
}

static int run_lists(struct context *ctx, struct failure *reterr)
{
	if (run_list(ctx, LIST_SETUP, reterr) < 0)
		return -1;
	if (spawn(ctx, reterr) < 0)
		return -1;
	return run_list(ctx, LIST_SETTLE, reterr);
}

/* Children that SIGKILL reaches only later (a frozen cgroup of v1, a file system that hangs) are left to the undo. */
static void reap_within_deadline(void)
{
	const struct timespec pause = { .tv_nsec = 1000 * 1000 };
	pid_t pid;

	for (int left = REAP_DEADLINE_MS; left > 0; left--) {
		do
			pid = waitpid(-1, NULL, WNOHANG);
		while (pid > 0 || (pid < 0 && errno == EINTR));
		if (pid < 0)
			return;
		(void)nanosleep(&pause, NULL);
	}
}

static void reap_all(struct context *ctx)
{
	/* A stage or init that waits for us sees the socket close and goes; one that does not is killed. */
	close_fd(&ctx->signal_fd);
	close_fd(&ctx->sync_fd);
	close_fd(&ctx->peer_fd);
	if (ctx->init_pidfd >= 0)
		(void)sys_pidfd_send_signal(ctx->init_pidfd, SIGKILL);
	if (ctx->helper_pidfd >= 0)
		(void)sys_pidfd_send_signal(ctx->helper_pidfd, SIGKILL);
	reap_within_deadline();
}

/*
 * Only what this create did is undone: a cgroup that was there before, maybe full of somebody else's
 * processes, is neither killed nor removed; poststop hooks run only if the first hooks may have.
 */
static bool must_undo(struct context *ctx, const struct op *op)
{
	const struct op_cgroup_remove *remove = (const void *)op;
	const struct op_cgroup_kill_v1 *kill_v1 = (const void *)op;

	switch (op->code) {
	case OP_CGROUP_KILL:
		return ctx->cgroup_fd >= 0;
	case OP_CGROUP_KILL_V1:
		return cgroup_is_held(ctx, kill_v1->hierarchy);
	case OP_CGROUP_REMOVE:
		return cgroup_is_held(ctx, remove->hierarchy) || cgroup_made(ctx, remove->hierarchy) > 0;
	case OP_SYSTEMD_CONNECT:
	case OP_SYSTEMD_STOP_UNIT:
		return ctx->unit_started;
	case OP_RUN_HOOK:
		return ctx->phase >= PHASE_ROOTFS;
	default:
		return true;
	}
}

static void undo(struct context *ctx)
{
	uint32_t count = plan_header(&ctx->plan)->lists[LIST_TEARDOWN].count;
	bool left = false;

	for (uint32_t i = 0; i < count; i++) {
		const struct op *op = plan_op(&ctx->plan, LIST_TEARDOWN, i);

		/* What cannot be removed now (a process hangs in the kernel) is removed later, by the record. */
		if (!must_undo(ctx, op) || (left && op->code == OP_STATE_REMOVE))
			continue;
		if (run_op_as_warning(ctx, LIST_TEARDOWN, i) < 0 && op->code != OP_RUN_HOOK)
			left = true;
	}
	if (ctx->root_made)
		(void)rmdir(ctx->args->root);
}

int verb_create(struct context *ctx, struct failure *reterr)
{
	if (plan_load(ctx->args->plan_fd, &ctx->plan, reterr) < 0)
		return -1;
	if (prepare(ctx, reterr) < 0)
		return -1;
	if (run_lists(ctx, reterr) == 0 && (ctx->fifo_fd < 0 || statedir_publish_fifo(ctx, reterr) == 0))
		return 0;
	reap_all(ctx);
	if (ctx->state_made)
		undo(ctx);
	return -1;
}

/* The container must run; its init becomes the process whose namespaces JOIN_INIT enters. */
static int find_target(struct context *ctx, int lock, struct failure *reterr)
{
	uint32_t status;

	if (statedir_load(ctx, lock, reterr) < 0 || statedir_status(ctx, &status, reterr) < 0)
		return -1;
	errno = 0;
	if (status == STATUS_STOPPED)
		return FAIL_AS(reterr, PROBLEM_STOPPED, "exec");
	if (status == STATUS_CREATING)
		return FAIL_AS(reterr, PROBLEM_CREATING, "exec");
	/* Mounts need no process of the container to run. */
	if (status == STATUS_PAUSED && lock == 0 && !ctx->args->ignore_paused)
		return FAIL_AS(reterr, PROBLEM_PAUSED, "exec");
	ctx->target_pidfd = steal_fd(&ctx->init_pidfd);
	ctx->target_pid = ctx->init_pid;
	ctx->init_pid = 0;
	return 0;
}

/* Without a plan it is the one that create compiled for such a case, with a program of the command line. */
static int load_exec(struct context *ctx, struct failure *reterr)
{
	if (ctx->args->plan_fd >= 0)
		return plan_load(ctx->args->plan_fd, &ctx->plan, reterr);
	if (ctx->args->rest != NULL && ctx->args->rest[0] != NULL)
		return plan_become_exec(&ctx->plan, reterr);
	errno = EINVAL;
	return FAIL_AS(reterr, PROBLEM_USAGE, "exec");
}

int verb_exec(struct context *ctx, struct failure *reterr)
{
	if (find_target(ctx, 0, reterr) < 0 || load_exec(ctx, reterr) < 0 || prepare(ctx, reterr) < 0)
		return -1;
	if (run_lists(ctx, reterr) == 0 && channel_drain(ctx, reterr) == 0)
		return 0;
	reap_all(ctx);
	return -1;
}

/* How it ended counts, and not whether we could hear of it. */
static bool ended_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/*
 * The process in the container takes back what it attached when it cannot go on, and when we are gone: it waits for a
 * last phase that comes only after the record is written. So it is not killed here but left to end by itself.
 */
int verb_mounts(struct context *ctx, struct failure *reterr)
{
	if (find_target(ctx, LOCK_EX, reterr) < 0 || plan_load(ctx->args->plan_fd, &ctx->plan, reterr) < 0 ||
		prepare(ctx, reterr) < 0)
		return -1;
	if (run_lists(ctx, reterr) == 0 && (channel_drain(ctx, reterr) == 0 || ended_well(ctx->init_pid)))
		return 0;
	close_fd(&ctx->signal_fd);
	close_fd(&ctx->sync_fd);
	close_fd(&ctx->peer_fd);
	reap_within_deadline();
	reap_all(ctx);
	if (ctx->file_written)
		undo(ctx);
	return -1;
}
