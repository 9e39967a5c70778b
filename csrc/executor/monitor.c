/* The monitor: see monitor.h. It holds no descriptor of the caller's, no terminal, and no directory but "/". */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "exitrecord.h"
#include "io.h"
#include "signals.h"
#include "statedir.h"

_Noreturn static void wait_as_stub(int executor)
{
	unsigned char status = 1;
	sigset_t all = signals_all();

	/* They are for the executor, which gets those of a terminal itself. */
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	while (read(executor, &status, 1) < 0 && errno == EINTR)
		;
	_exit(status);
}

int monitor_fork(struct failure *reterr)
{
	int pair[2];
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return FAIL(reterr, "pipe2");
	pid = fork();
	if (pid < 0)
		return FAIL(reterr, "fork");
	if (pid > 0) {
		close_fd(&pair[1]);
		wait_as_stub(pair[0]);
	}
	close_fd(&pair[0]);
	/* Whoever kills the stub means the create. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	return pair[1];
}

void monitor_record(struct context *ctx, int status, const char *exit_file)
{
	struct failure ignored = { 0 };
	char text[EXIT_RECORD_SIZE];
	bool oom = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && cgroup_was_oom_killed(ctx);
	size_t length = exit_record(ctx->args->id, ctx->init_pid, status, oom, text);

	/* The caller's file first: the directory may be deleted as soon as init has ended. */
	if (exit_file != NULL)
		(void)write_file_whole(exit_file, text);
	if (ctx->state_fd >= 0)
		(void)statedir_write(ctx, EXIT_RECORD_NAME, text, length, 0600, &ignored);
}

/* SIGTERM and its kin stay blocked: it ends with init, and then by itself. */
static void settle_down(struct context *ctx)
{
	const int keep[] = { ctx->state_fd, ctx->cgroup_fd, ctx->monitor_fd };
	int null = open("/dev/null", O_RDWR);

	(void)prctl(PR_SET_PDEATHSIG, 0);
	(void)prctl(PR_SET_NAME, "tsrun-monitor");
	(void)setsid();
	(void)!chdir("/");
	(void)flock(ctx->state_fd, LOCK_UN);
	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		(void)dup2(null, fd);
	close_except(3, keep, sizeof(keep) / sizeof(keep[0]));
	for (size_t i = 0; i < sizeof(ctx->v1_fds) / sizeof(ctx->v1_fds[0]); i++)
		ctx->v1_fds[i] = -1;
}

_Noreturn void monitor_run(struct context *ctx, int stub, int result)
{
	const char *exit_file = ctx->args->exit_file;
	const unsigned char status = result < 0;
	int ended = 0;
	pid_t pid;

	if (result == 0)
		(void)flock(ctx->state_fd, LOCK_UN);
	(void)!write(stub, &status, 1);
	if (result < 0)
		_exit(status);
	settle_down(ctx);
	do
		pid = waitpid(-1, &ended, 0);
	while (pid != ctx->init_pid && (pid > 0 || errno == EINTR));
	if (pid == ctx->init_pid)
		monitor_record(ctx, ended, exit_file);
	_exit(0);
}
