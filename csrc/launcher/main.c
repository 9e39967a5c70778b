/*
 * tsrun on PATH. One program, two names: as tsrun it is the launcher, as tsrun-executor what src/exec/executor.ts
 * starts.
 *
 * start, kill, state, delete, pause and resume need no compiler: their plain forms run in this process, by the same
 * functions as in the executor. All else is Node's. So is every word to a person: when a verb fails or has something to
 * say, Node takes over with its records and words them (docs/adr/0006).
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "command.h"
#include "executor.h"
#include "io.h"
#include "node.h"
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

/* The records, and behind them the plan, which says where the ops come from: delete has removed the file. */
static void hand_over(const struct context *ctx, char **argv, char **envp)
{
	int fd = ctx->args->status_fd;

	if (ctx->plan.bytes != NULL)
		(void)write_all(fd, ctx->plan.bytes, ctx->plan.size);
	(void)fcntl(fd, F_SETFD, 0);
	node_exec(argv, envp, fd);
}

/* As the executor runs it when Node starts it: in "/", without an environment. Returns if there is nothing to say. */
static int run_here(struct command *command, char **argv, char **envp)
{
	static char *no_environment[] = { NULL };
	static struct context ctx;
	int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int status;

	context_init(&ctx, &command->args);
	environ = no_environment;
	(void)!chdir("/");
	status = executor_run(command->name, &ctx, argv);
	if (status == 0 && !ctx.warned)
		return 0;
	(void)!fchdir(cwd);
	hand_over(&ctx, argv, envp);
	return status;
}

static int launch(char **argv, char **envp)
{
	static struct command command;

	if (!understand(argv, &command) || !make_log(command.log) || fill_stdio() < 0)
		node_exec(argv, envp, -1);
	command.args.status_fd = memfd_create("tsrun-status", MFD_CLOEXEC);
	if (command.args.status_fd < 0)
		node_exec(argv, envp, -1);
	return run_here(&command, argv, envp);
}

int main(int argc, char **argv, char **envp)
{
	const char *slash = argc < 1 ? NULL : strrchr(argv[0], '/');

	if (argc < 1)
		return 2;
	if (strcmp(slash == NULL ? argv[0] : slash + 1, EXECUTOR_NAME) == 0)
		return executor_main(argc, argv);
	return launch(argv, envp);
}
