/*
 * supervise: what stays of a foreground `tsrun run` or `exec`. Takes the place of the process that
 * started the program, as its reaper: forwards signals, copies the terminal, ends as the program ends.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../cleanup.h"
#include "../monitor.h"
#include "../relay.h"
#include "../signals.h"
#include "../statedir.h"
#include "../sys.h"
#include "../verbs.h"
#include "terminal.h"

#define REPORTER_MAX 64 /* arguments */

struct supervisor {
	int early_signal;
	pid_t pid;
	int pidfd;
	int signals;
	int notify; /* bound by start, or -1: READY=1 has been passed on */
	const char *manager;
	bool ended;
	bool abandoned; /* told to end although somebody still has to take the last output */
	int status;	/* of waitpid(2) */
	bool has_terminal;
	struct terminal terminal;
};

/* All that became ours: the program, its orphans and those of what it ran. */
static void reap(struct supervisor *supervisor)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != supervisor->pid)
			continue;
		supervisor->ended = true;
		supervisor->status = status;
	}
}

static void handle_signal(struct supervisor *supervisor, int signal)
{
	switch (signal) {
	case SIGCHLD:
		reap(supervisor);
		break;
	case SIGWINCH:
		if (supervisor->has_terminal)
			terminal_resize(&supervisor->terminal);
		break;
	case SIGPIPE: /* our own stdout */
	case SIGURG:  /* meant for us, if for anybody: not for a program in a container */
		break;
	default:
		supervisor->abandoned = supervisor->ended;
		(void)sys_pidfd_send_signal(supervisor->pidfd, signal);
	}
}

static void take_signals(struct supervisor *supervisor)
{
	struct signalfd_siginfo info;

	while (read(supervisor->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		handle_signal(supervisor, (int)info.ssi_signo);
}

static bool is_done(struct supervisor *supervisor)
{
	if (!supervisor->ended)
		return false;
	return !supervisor->has_terminal || supervisor->abandoned || !terminal_pending(&supervisor->terminal);
}

static int watch(struct supervisor *supervisor, struct failure *reterr)
{
	struct pollfd fds[2 + TERMINAL_POLL_FDS] = {
		{ .fd = supervisor->signals, .events = POLLIN },
		{ .fd = supervisor->notify, .events = POLLIN },
	};
	nfds_t count = supervisor->has_terminal ? 2 + TERMINAL_POLL_FDS : 2;

	/* It may have ended before its signal could be queued. */
	reap(supervisor);
	while (!is_done(supervisor)) {
		if (supervisor->has_terminal)
			terminal_want(&supervisor->terminal, fds + 2);
		if (poll(fds, count, -1) < 0) {
			if (errno == EINTR)
				continue;
			return FAIL(reterr, "poll");
		}
		take_signals(supervisor);
		/* The service's main process is this one: it lives as long as the program, and signals go through it.
		 */
		if (fds[1].revents != 0 && relay_take(supervisor->notify, supervisor->manager, getpid()) != 0)
			fds[1].fd = -1;
		if (supervisor->has_terminal)
			terminal_copy(&supervisor->terminal, fds + 2);
	}
	return 0;
}

static int take_over(struct supervisor *supervisor, struct failure *reterr)
{
	siginfo_t info;
	sigset_t all = signals_all();

	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		return FAIL(reterr, "sigprocmask");
	/* Ignored, it would make the kernel reap for us and the exit status would be lost. */
	(void)signal(SIGCHLD, SIG_DFL);
	supervisor->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (supervisor->signals < 0)
		return FAIL(reterr, "signalfd");
	if (waitid(P_PID, (id_t)supervisor->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return FAIL(reterr, "waitid");
	/* Our child, so until we reap it the pid is no other's. */
	supervisor->pidfd = sys_pidfd_open(supervisor->pid);
	return supervisor->pidfd < 0 ? FAIL(reterr, "pidfd_open") : 0;
}

static int supervise(struct supervisor *supervisor, int console_fd, struct failure *reterr)
{
	int result;

	if (take_over(supervisor, reterr) < 0)
		return -1;
	if (console_fd >= 0 && terminal_open(&supervisor->terminal, console_fd, reterr) < 0)
		return -1;
	supervisor->has_terminal = console_fd >= 0;
	/* One that came while the container was made. */
	if (supervisor->early_signal != 0)
		handle_signal(supervisor, supervisor->early_signal);
	result = watch(supervisor, reterr);
	if (supervisor->has_terminal)
		terminal_close(&supervisor->terminal);
	return result;
}

static bool has_poststop_hooks(struct context *ctx)
{
	struct failure ignored;
	uint32_t count;
	bool found = false;

	if (statedir_load(ctx, 0, &ignored) == 0) {
		count = plan_header(&ctx->plan)->lists[LIST_TEARDOWN].count;
		for (uint32_t i = 0; i < count && !found; i++)
			found = plan_op(&ctx->plan, LIST_TEARDOWN, i)->code == OP_RUN_HOOK;
	}
	close_fd(&ctx->state_fd);
	close_fd(&ctx->root_fd);
	return found;
}

/* There is no log here and no text for people: `tsrun delete` has both, and ends with the program's status. */
static void hand_over(const struct context *ctx, int status)
{
	char *argv[REPORTER_MAX + 3];
	char option[32];
	size_t count = 0;

	if (ctx->args->rest == NULL)
		return;
	while (ctx->args->rest[count] != NULL && count < REPORTER_MAX) {
		argv[count] = ctx->args->rest[count];
		count++;
	}
	if (count == 0 || ctx->args->rest[count] != NULL)
		return;
	(void)snprintf(option, sizeof(option), "--exit-status=%d", status);
	argv[count++] = option;
	argv[count++] = (char *)(uintptr_t)ctx->args->id;
	argv[count] = NULL;
	signals_reset();
	(void)execve(argv[0], argv, environ);
}

static int delete_after(struct context *ctx, int status, struct failure *reterr)
{
	if (has_poststop_hooks(ctx))
		hand_over(ctx, status);
	/* Somebody else may have deleted it as soon as it stopped. */
	if (verb_delete(ctx, reterr) == 0 || reterr->problem == PROBLEM_NOT_FOUND)
		return 0;
	hand_over(ctx, status);
	return -1;
}

/* For those who come later: wait, and the reader of --exit-file. */
static void record(struct context *ctx, int status)
{
	struct failure ignored = { 0 };

	if ((!ctx->args->keep && ctx->args->exit_file == NULL) || statedir_load(ctx, 0, &ignored) < 0)
		return;
	if (!ctx->args->keep)
		close_fd(&ctx->state_fd);
	monitor_record(ctx, status, ctx->args->exit_file);
	close_fd(&ctx->state_fd);
}

int verb_supervise(struct context *ctx, int *ret_exit, struct failure *reterr)
{
	struct supervisor supervisor = {
		.pid = ctx->args->pid,
		.pidfd = -1,
		.signals = -1,
		.notify = ctx->args->notify_socket == NULL ? -1 : ctx->args->notify_fd,
		.manager = ctx->args->notify_socket,
		.early_signal = ctx->args->signal,
	};
	int result = supervise(&supervisor, ctx->args->console_fd, reterr);

	close_fd(&supervisor.pidfd);
	close_fd(&supervisor.signals);
	if (result < 0)
		return -1;
	*ret_exit = WIFSIGNALED(supervisor.status) ? 128 + WTERMSIG(supervisor.status) : WEXITSTATUS(supervisor.status);
	if (ctx->args->root == NULL || ctx->args->id == NULL)
		return 0;
	record(ctx, supervisor.status);
	return ctx->args->keep ? 0 : delete_after(ctx, *ret_exit, reterr);
}
