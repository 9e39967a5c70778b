/*
 * tsrun-executor: takes plans and state directories, makes the system calls, reports one record.
 *
 * Single-threaded, static, no heap after the plan is mapped, no text for people. The code that faces a
 * container runs from a sealed memfd, so that nothing inside can overwrite the file on disk
 * (CVE-2019-5736).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "executor.h"
#include "io.h"
#include "monitor.h"
#include "sys.h"
#include "verbs.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct verb {
	const char *name;
	int (*run)(struct context *ctx, struct failure *reterr);
	bool sealed; /* spawns processes that a container can see */
	bool all;    /* is about a root directory, not about one container */
};

static const struct verb VERBS[] = {
	{ "create", verb_create, true, false },
	{ "exec", verb_exec, true, false },
	{ "mounts", verb_mounts, true, false },
	{ "start", verb_start, false, false },
	{ "kill", verb_kill, false, false },
	{ "pause", verb_pause, false, false },
	{ "resume", verb_resume, false, false },
	{ "update", verb_update, false, false },
	{ "state", verb_state, false, false },
	{ "list", verb_list, false, true },
	{ "ps", verb_ps, false, false },
	{ "delete", verb_delete, false, false },
	{ "wait", verb_wait, false, false },
};

static int sealed_memfd(struct failure *reterr)
{
	/* Kernels before 6.3 do not know MFD_EXEC; later ones may refuse to execute without it. */
	int fd = memfd_create(EXECUTOR_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(EXECUTOR_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? FAIL(reterr, "memfd_create") : fd;
}

int seal_executor(int self, struct failure *reterr)
{
	cleanup_fd int copy = -1;
	struct stat st;
	off_t at = 0;

	if (fstat(self, &st) < 0)
		return FAIL(reterr, "fstat");
	copy = sealed_memfd(reterr);
	if (copy < 0)
		return -1;
	while (at < st.st_size)
		if (sendfile(copy, self, &at, (size_t)(st.st_size - at)) <= 0)
			return FAIL(reterr, "sendfile");
	return fcntl(copy, F_ADD_SEALS, ALL_SEALS) < 0 ? FAIL(reterr, "fcntl") : steal_fd(&copy);
}

/* Returns only on failure, or when this process already runs from a sealed copy. */
static int run_from_sealed_copy(char **argv, struct failure *reterr)
{
	cleanup_fd int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	cleanup_fd int copy = -1;

	if (self < 0)
		return FAIL(reterr, "open");
	if (fcntl(self, F_GET_SEALS) == ALL_SEALS)
		return 0;
	copy = seal_executor(self, reterr);
	if (copy < 0)
		return -1;
	(void)syscall(SYS_execveat, copy, "", argv, environ, AT_EMPTY_PATH);
	return FAIL(reterr, "execveat");
}

/*
 * Whatever the caller leaked in is closed: a directory of the host's would be in reach of a container that may ptrace
 * its init. What the command line names stays, and of that only the preserved descriptors survive an execve(2).
 */
static void close_leaked(const struct args *args)
{
	const int known[] = { args->plan_fd, args->status_fd, args->console_fd, args->adopt_fd, args->notify_fd,
		args->trace_fd };
	unsigned int from = 3 + (unsigned int)args->preserve_fds;

	(void)sys_close_range(from, ~0U, CLOSE_RANGE_CLOEXEC);
	close_except(from, known, sizeof(known) / sizeof(known[0]));
}

static void write_verdict(const struct context *ctx, int result, struct failure *verdict)
{
	if (result == 0)
		*verdict = (struct failure){ .pid = ctx->init_pid };
	verdict->magic = FAILURE_MAGIC;
	verdict->kind = KIND_VERDICT;
	if (ctx->args->status_fd >= 0)
		(void)write_all(ctx->args->status_fd, verdict, sizeof(*verdict));
}

static int run_verb(const struct verb *verb, struct context *ctx, char **argv)
{
	static struct failure verdict;
	int result = trace_open(ctx, &verdict);
	int stub = -1;

	trace_mark(ctx, TRACE_STARTED);
	if (result == 0 && verb->sealed)
		result = run_from_sealed_copy(argv, &verdict);
	close_leaked(ctx->args);
	trace_mark(ctx, TRACE_RUNNING);
	if (result == 0 && ctx->args->exit_file != NULL) {
		stub = monitor_fork(&verdict);
		result = stub < 0 ? -1 : 0;
	}
	if (result == 0)
		result = verb->run(ctx, &verdict);
	trace_mark(ctx, TRACE_ENDED);
	write_verdict(ctx, result, &verdict);
	if (stub >= 0)
		monitor_run(ctx, stub, result);
	return result < 0 ? 1 : 0;
}

static int run_supervise(struct context *ctx)
{
	struct failure verdict = { 0 };
	int status = 1;
	int result = verb_supervise(ctx, &status, &verdict);

	write_verdict(ctx, result, &verdict);
	return result < 0 && status == 0 ? 1 : status;
}

int fill_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR); /* stays open across execve(2), as stdio does */
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd < 0 ? -1 : close(fd);
}

int executor_run(const char *name, struct context *ctx, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (strcmp(name, "supervise") == 0) {
		close_leaked(ctx->args);
		return run_supervise(ctx);
	}
	for (size_t i = 0; i < sizeof(VERBS) / sizeof(VERBS[0]); i++) {
		if (strcmp(name, VERBS[i].name) != 0)
			continue;
		if (ctx->args->root == NULL || (ctx->args->id == NULL && !VERBS[i].all))
			return 2;
		return run_verb(&VERBS[i], ctx, argv);
	}
	return 2;
}

int executor_main(int argc, char **argv)
{
	static struct context ctx;
	static struct args args;

	if (argc < 2 || args_parse(argc, argv, &args) < 0 || fill_stdio() < 0)
		return 2;
	context_init(&ctx, &args);
	return executor_run(argv[1], &ctx, argv);
}
