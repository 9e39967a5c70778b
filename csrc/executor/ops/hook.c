/*
 * RUN_HOOK: runs one OCI hook ("POSIX platform hooks" in config.md) and waits for it.
 *
 * A hook gets its own environment and nothing else of ours: no descriptor above 2, no ignored signal,
 * its own session (CVE-2024-0132 and its kin). It may flood or close its pipes, leave a daemon behind
 * that keeps them open, or hang; none of this may hang us. That is why all waiting is in one poll(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../cleanup.h"
#include "../context.h"
#include "../signals.h"
#include "../sys.h"
#include "../vector.h"

#define TAIL_SIZE	      1536
#define KILL_GRACE_MS	      5000
#define POLL_WITHOUT_PIDFD_MS 10

struct hook {
	const struct op_run_hook *op;
	const char *path;
	const char **argv;
	const char **envp;
	const char *state; /* JSON */
	size_t state_length;
	size_t state_sent;
	pid_t pid;
	int status; /* of waitpid(2) */
	struct timespec start;
	/* Read and write end each; all above 2, so that the hook's stdio cannot overwrite one. */
	int input[2];
	int output[2];
	int report[2]; /* errno of a failed execve(2) */
	int pidfd;
	int signal_fd; /* the context's */
	bool interrupted;
	size_t tail_length;
	char tail[TAIL_SIZE]; /* the last of what it printed */
};

static void close_pair(int pair[2])
{
	close_fd(&pair[0]);
	close_fd(&pair[1]);
}

static void hook_release(struct hook *hook)
{
	close_pair(hook->input);
	close_pair(hook->output);
	close_pair(hook->report);
	close_fd(&hook->pidfd);
}

static int open_pipe(int pair[2])
{
	int low[2];

	if (pipe2(low, O_CLOEXEC) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		pair[i] = fcntl(low[i], F_DUPFD_CLOEXEC, 3);
		close_fd(&low[i]);
	}
	return pair[0] < 0 || pair[1] < 0 ? -1 : 0;
}

static int prepare(struct context *ctx, struct hook *hook, struct failure *reterr)
{
	const char *template;

	hook->path = plan_str(&ctx->plan, hook->op->path);
	hook->argv = vector_map(&ctx->plan, hook->op->args, 1);
	hook->envp = vector_map(&ctx->plan, hook->op->env, 1);
	if (hook->argv == NULL || hook->envp == NULL)
		return FAIL(reterr, "mmap");
	if (hook->op->with_home != 0 && ctx->home[0] != '\0')
		hook->envp[hook->op->env.count] = ctx->home;
	if (hook->argv[0] == NULL)
		hook->argv[0] = hook->path;
	template = plan_str(&ctx->plan, plan_header(&ctx->plan)->state_json);
	hook->state = map_expanded(ctx, template, hook->op->status, reterr);
	if (hook->state == NULL)
		return -1;
	hook->state_length = strlen(hook->state);
	if (open_pipe(hook->input) < 0 || open_pipe(hook->output) < 0 || open_pipe(hook->report) < 0)
		return FAIL(reterr, "pipe2");
	/* Only our ends: the hook must find ordinary blocking stdio. */
	if (fcntl(hook->input[1], F_SETFL, O_NONBLOCK) < 0 || fcntl(hook->output[0], F_SETFL, O_NONBLOCK) < 0 ||
		fcntl(hook->report[0], F_SETFL, O_NONBLOCK) < 0)
		return FAIL(reterr, "fcntl");
	return 0;
}

/* A seccomp profile of the container may refuse close_range(2): then one by one. */
static void keep_only_stdio(void)
{
	if (sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		return;
	for (int fd = 3; fd < 1024; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

_Noreturn static void hook_main(const struct hook *hook)
{
	bool from_anywhere = hook->op->kind == HOOK_POSTSTART || hook->op->kind == HOOK_POSTSTOP;
	int error;

	(void)setsid();
	/* Init makes mount points with umask 0 at that time, which no hook expects. */
	if (hook->op->kind == HOOK_CREATE_CONTAINER)
		(void)umask(022);
	/* start and delete are called from any directory; the other hooks keep the one that create chose. */
	if ((!from_anywhere || chdir("/") == 0) && dup2(hook->input[0], STDIN_FILENO) >= 0 &&
		dup2(hook->output[1], STDOUT_FILENO) >= 0 && dup2(hook->output[1], STDERR_FILENO) >= 0) {
		keep_only_stdio();
		signals_reset();
		(void)execve(hook->path, (char *const *)(uintptr_t)hook->argv, (char *const *)(uintptr_t)hook->envp);
	}
	error = errno;
	(void)!write(hook->report[1], &error, sizeof(error));
	_exit(127);
}

static void send_state(struct hook *hook)
{
	ssize_t sent = 0;

	/* Nothing to send and end of file look the same to the hook. */
	if (hook->state_sent < hook->state_length)
		sent = write(hook->input[1], hook->state + hook->state_sent, hook->state_length - hook->state_sent);
	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	hook->state_sent += sent > 0 ? (size_t)sent : 0;
	/* EPIPE: the hook does not read it, as many do not. */
	if (sent < 0 || hook->state_sent == hook->state_length)
		close_fd(&hook->input[1]);
}

static void keep_tail(struct hook *hook, const char *bytes, size_t size)
{
	size_t kept = hook->tail_length;

	if (kept + size > TAIL_SIZE)
		kept = size < TAIL_SIZE ? TAIL_SIZE - size : 0;
	memmove(hook->tail, hook->tail + hook->tail_length - kept, kept);
	if (size > TAIL_SIZE) {
		bytes += size - TAIL_SIZE;
		size = TAIL_SIZE;
	}
	memcpy(hook->tail + kept, bytes, size);
	hook->tail_length = kept + size;
}

/* At most a pipe's worth: a daemon that keeps writing must not keep us reading. */
static void take_output(struct hook *hook)
{
	char bytes[1024];

	for (int i = 0; i < 64; i++) {
		ssize_t got = read(hook->output[0], bytes, sizeof(bytes));

		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0 || (got < 0 && errno != EAGAIN))
			close_fd(&hook->output[0]);
		if (got <= 0)
			return;
		keep_tail(hook, bytes, (size_t)got);
	}
}

static int64_t milliseconds_used(const struct hook *hook)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - hook->start.tv_sec) * 1000 + (now.tv_nsec - hook->start.tv_nsec) / 1000000;
}

/* -1: no limit. */
static int milliseconds_left(const struct hook *hook)
{
	int64_t left;

	if (hook->op->timeout == 0)
		return -1;
	left = (int64_t)hook->op->timeout - milliseconds_used(hook);
	if (left > INT32_MAX)
		return INT32_MAX;
	return left < 0 ? 0 : (int)left;
}

static bool has_ended(struct hook *hook)
{
	pid_t pid = waitpid(hook->pid, &hook->status, WNOHANG);

	/* Somebody else reaped it: how it ended is lost, and unknown is no success. */
	if (pid < 0 && errno == ECHILD)
		hook->status = 255 << 8;
	return pid != 0 && (pid > 0 || errno == ECHILD);
}

/* False when the time is over, or the executor is asked to stop. */
static bool attend(struct hook *hook)
{
	while (!has_ended(hook)) {
		struct pollfd fds[4] = {
			{ .fd = hook->pidfd, .events = POLLIN },
			{ .fd = hook->output[0], .events = POLLIN },
			{ .fd = hook->input[1], .events = POLLOUT },
			{ .fd = hook->signal_fd, .events = POLLIN },
		};
		int left = milliseconds_left(hook);

		if (left == 0)
			return false;
		if (hook->pidfd < 0 && (left < 0 || left > POLL_WITHOUT_PIDFD_MS))
			left = POLL_WITHOUT_PIDFD_MS;
		if (poll(fds, 4, left) <= 0)
			continue;
		hook->interrupted = fds[3].revents != 0;
		if (hook->interrupted)
			return false;
		if (fds[1].revents != 0)
			take_output(hook);
		if (fds[2].revents != 0)
			send_state(hook);
	}
	return true;
}

/* With all it started: it leads its session, and with it a process group. */
static void kill_group(struct hook *hook)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

	(void)kill(-hook->pid, SIGKILL);
	(void)kill(hook->pid, SIGKILL);
	/* Uninterruptible sleep outlasts even this; the hook is then left behind. */
	for (int waited = 0; waited < KILL_GRACE_MS && !has_ended(hook); waited += 10)
		(void)nanosleep(&pause, NULL);
}

static int outcome(struct hook *hook, bool in_time, struct failure *reterr)
{
	int error = 0;

	if (hook->output[0] >= 0)
		take_output(hook);
	if (hook->interrupted) {
		errno = EINTR;
		(void)FAIL(reterr, "signal");
	} else if (!in_time) {
		errno = ETIMEDOUT;
		(void)FAIL_AS(reterr, PROBLEM_HOOK_TIMEOUT, "hook");
	} else if (read(hook->report[0], &error, sizeof(error)) == (ssize_t)sizeof(error)) {
		errno = error;
		(void)FAIL(reterr, "execve");
	} else if (hook->status != 0) {
		errno = WIFSIGNALED(hook->status) ? 128 + WTERMSIG(hook->status) : WEXITSTATUS(hook->status);
		(void)FAIL_AS(reterr, PROBLEM_HOOK_FAILED, "hook");
	} else {
		return 0;
	}
	failure_detail(reterr, hook->tail, hook->tail_length);
	return -1;
}

/* For --debug. Once start has been let in, init has nobody to tell it to. */
static void tell_duration(struct context *ctx, uint32_t elapsed)
{
	struct failure note = { .magic = FAILURE_MAGIC, .kind = KIND_NOTE, .elapsed = elapsed };

	if (ctx->role != ROLE_INIT || ctx->sync_fd >= 0)
		report_warning(ctx, &note);
}

static int run(struct context *ctx, struct hook *hook, struct failure *reterr)
{
	uint32_t elapsed;
	bool in_time;

	(void)clock_gettime(CLOCK_MONOTONIC, &hook->start);
	hook->pid = fork();
	if (hook->pid < 0)
		return FAIL(reterr, "fork");
	if (hook->pid == 0)
		hook_main(hook);
	/* May fail under the container's seccomp profile; then it is asked every 10 ms. */
	hook->pidfd = sys_pidfd_open(hook->pid);
	close_fd(&hook->input[0]);
	close_fd(&hook->output[1]);
	close_fd(&hook->report[1]);
	in_time = attend(hook);
	if (!in_time)
		kill_group(hook);
	elapsed = (uint32_t)milliseconds_used(hook);
	if (outcome(hook, in_time, reterr) < 0) {
		reterr->elapsed = elapsed;
		return -1;
	}
	tell_duration(ctx, elapsed);
	return 0;
}

int op_run_hook(struct context *ctx, const struct op_run_hook *op, struct failure *reterr)
{
	__attribute__((cleanup(hook_release))) struct hook hook = {
		.op = op,
		.input = { -1, -1 },
		.output = { -1, -1 },
		.report = { -1, -1 },
		.pidfd = -1,
		.signal_fd = ctx->signal_fd,
	};

	if (prepare(ctx, &hook, reterr) < 0)
		return -1;
	/* What the caller ignored: with SIGCHLD the exit status would be lost, without SIGPIPE we would. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	ctx->signals_ready = false;
	return run(ctx, &hook, reterr);
}
