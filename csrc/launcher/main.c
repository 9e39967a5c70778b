/*
 * tsrun on PATH. One program, two names: as tsrun it is the launcher, as tsrun-executor what src/exec/executor.ts
 * starts.
 *
 * start, kill, state, list, ps as JSON, delete, pause and resume need no compiler: their plain forms run in this
 * process, by the same functions as in the executor. So does exec, from what create compiled for it, and so do
 * create, run and exec --process of a plan that is cached (docs/adr/0007). All else is Node's. So is every word to a
 * person: when a verb fails or has something to say, Node takes over with its records and words them (docs/adr/0006).
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "call.h"
#include "cleanup.h"
#include "command.h"
#include "create.h"
#include "executor.h"
#include "io.h"
#include "kept.h"
#include "node.h"
#include "origin.h"
#include "root.h"

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

static bool makes_container(const struct command *command)
{
	return strcmp(command->name, "create") == 0 || strcmp(command->name, "run") == 0;
}

/* What is to be done is known, and nothing about it is unusual. */
static bool understand(char **argv, struct command *ret_command)
{
	const char *given;

	if (wants_node() || !command_parse(argv, ret_command))
		return false;
	/* src/runtime/activation.ts */
	if ((makes_container(ret_command) || strcmp(ret_command->name, "start") == 0) &&
		(is_set("NOTIFY_SOCKET") || is_set("LISTEN_FDS")))
		return false;
	/* A fact of the host that the question does not tell. */
	if (ret_command->process != NULL && ret_command->rootless != NULL)
		return false;
	given = ret_command->args.root;
	ret_command->args.root = choose_root(given);
	if (ret_command->args.root == NULL)
		return false;
	/* No directory, no containers; but one that was named must be there: src/cli/commands/list.ts */
	if (strcmp(ret_command->name, "list") == 0 && given != NULL && access(given, F_OK) < 0)
		return false;
	return !makes_container(ret_command) || create_is_plain(ret_command);
}

/* Callers expect the file to be there afterwards, even if nothing was to be said. */
static bool make_log(const char *path)
{
	cleanup_fd int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	return path == NULL || fd >= 0;
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

/* What the program leaves behind becomes ours: prctl(2). */
static int run_exec(struct command *command, struct origin *origin)
{
	int fd = command->args.status_fd;
	struct failure verdict = { 0 };

	hold_signals();
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
		node_exec(origin->argv, origin->envp, NULL);
	if (makes_container(&command))
		return launch_create(&command, origin);
	if (command.process != NULL)
		command.args.plan_fd = kept_plan(&command, origin);
	command.args.status_fd = memfd_create("tsrun-status", MFD_CLOEXEC);
	if (command.args.status_fd < 0)
		node_exec(origin->argv, origin->envp, NULL);
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
