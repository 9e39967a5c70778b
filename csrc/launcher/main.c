/*
 * tsrun on PATH. One program, two names: as tsrun it is the launcher, as tsrun-executor what src/exec/executor.ts
 * starts.
 *
 * start, kill, state, delete, pause and resume need no compiler: their plain forms run in this process, by the same
 * functions as in the executor. So does exec, from what create compiled for it. All else is Node's. So is every word to
 * a person: when a verb fails or has something to say, Node takes over with its records and words them (docs/adr/0006).
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "call.h"
#include "cleanup.h"
#include "command.h"
#include "executor.h"
#include "io.h"
#include "node.h"
#include "root.h"

/* How this process was started, for when it becomes Node. */
struct origin {
	char **argv;
	char **envp;
	int cwd;
	sigset_t signals;
};

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0';
}

/* TSRUN_LAUNCHER=node: for tests, which compare the two ways. */
static bool wants_node(void)
{
	const char *choice = getenv("TSRUN_LAUNCHER");

	return choice != NULL && strcmp(choice, "node") == 0;
}

/* What is to be done is known, and nothing about it is unusual. */
static bool understand(char **argv, struct command *ret_command)
{
	if (wants_node() || !command_parse(argv, ret_command))
		return false;
	/* src/runtime/activation.ts */
	if (strcmp(ret_command->name, "start") == 0 && (is_set("NOTIFY_SOCKET") || is_set("LISTEN_FDS")))
		return false;
	ret_command->args.root = choose_root(ret_command->args.root);
	return ret_command->args.root != NULL;
}

/* Callers expect the file to be there afterwards, even if nothing was to be said. */
static bool make_log(const char *path)
{
	cleanup_fd int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	return path == NULL || fd >= 0;
}

/* As Node starts the executor: in "/", without an environment, with nothing a caller has leaked in. */
static void leave_caller(struct origin *origin)
{
	static char *no_environment[] = { NULL };

	origin->cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	environ = no_environment;
	(void)!chdir("/");
}

/* answer_fd: the records of a verb that was run, or -1. */
_Noreturn static void become_node(const struct origin *origin, int answer_fd)
{
	const struct timespec now = { 0 };
	sigset_t all;

	/* What asked the executor to stop has been heard. */
	(void)sigfillset(&all);
	while (sigtimedwait(&all, NULL, &now) > 0)
		;
	(void)sigprocmask(SIG_SETMASK, &origin->signals, NULL);
	(void)!fchdir(origin->cwd);
	if (answer_fd >= 0)
		(void)fcntl(answer_fd, F_SETFD, 0);
	node_exec(origin->argv, origin->envp, answer_fd);
}

/* Behind the records goes the plan, which says where the ops come from: delete has removed the file. */
static int run_here(const struct command *command, struct origin *origin)
{
	static struct context ctx;
	int fd = command->args.status_fd;
	int status;

	context_init(&ctx, &command->args);
	status = executor_run(command->name, &ctx, origin->argv);
	if (status == 0 && !ctx.warned)
		return 0;
	if (ctx.plan.bytes != NULL)
		(void)write_all(fd, ctx.plan.bytes, ctx.plan.size);
	become_node(origin, fd);
}

static int supervise(struct args *args, pid_t pid)
{
	static struct context ctx;

	*args = args_none();
	args->pid = pid;
	context_init(&ctx, args);
	return executor_run("supervise", &ctx, NULL);
}

/* Signals that come meanwhile wait for the supervisor. What the program leaves behind becomes ours: prctl(2). */
static int run_exec(struct command *command, struct origin *origin)
{
	int fd = command->args.status_fd;
	struct failure verdict = { 0 };
	sigset_t all;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	if (!command->detach)
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (call_executor("exec", &command->args, &verdict) < 0 || verdict.problem == PROBLEM_NO_TEMPLATE)
		become_node(origin, -1);
	if (verdict.problem != PROBLEM_NONE || answer_has_warnings(fd))
		become_node(origin, fd);
	return command->detach ? 0 : supervise(&command->args, verdict.pid);
}

static int launch(struct origin *origin)
{
	static struct command command;

	if (!understand(origin->argv, &command) || !make_log(command.log) || fill_stdio() < 0)
		node_exec(origin->argv, origin->envp, -1);
	command.args.status_fd = memfd_create("tsrun-status", MFD_CLOEXEC);
	if (command.args.status_fd < 0)
		node_exec(origin->argv, origin->envp, -1);
	(void)sigprocmask(SIG_BLOCK, NULL, &origin->signals);
	leave_caller(origin);
	return strcmp(command.name, "exec") == 0 ? run_exec(&command, origin) : run_here(&command, origin);
}

int main(int argc, char **argv, char **envp)
{
	struct origin origin = { .argv = argv, .envp = envp, .cwd = -1 };
	const char *slash = argc < 1 ? NULL : strrchr(argv[0], '/');

	if (argc < 1)
		return 2;
	if (strcmp(slash == NULL ? argv[0] : slash + 1, EXECUTOR_NAME) == 0)
		return executor_main(argc, argv);
	return launch(&origin);
}
