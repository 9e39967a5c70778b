/*
 * create and run: see create.h. A plan from the cache is given to the executor as src/exec/executor.ts does it. The
 * steps of run are those of src/runtime/run.ts.
 */
#include "create.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "call.h"
#include "kept.h"
#include "node.h"

#define REPORTER_WORDS 32

/* Node's path.resolve() would also normalise it; one that is not normal is not found in the cache. NULL: too long. */
static const char *make_absolute(const char *path, char *buffer)
{
	size_t length;

	if (path != NULL && *path == '/')
		return path;
	if (getcwd(buffer, PATH_MAX) == NULL || *buffer != '/')
		return NULL;
	if (path == NULL)
		return buffer;
	length = strlen(buffer);
	return snprintf(buffer + length, PATH_MAX - length, "/%s", path) < (int)(PATH_MAX - length) ? buffer : NULL;
}

/* Descriptors for the program: what is opened here must not take the place of one that is missing. */
static bool are_open(int first, int count)
{
	for (int fd = first; fd < first + count; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return false;
	return true;
}

bool create_is_plain(struct command *command)
{
	static char paths[2][PATH_MAX];
	struct args *args = &command->args;

	if (command->rootless != NULL || !are_open(3, args->preserve_fds))
		return false;
	command->bundle = make_absolute(command->bundle, paths[0]);
	if (args->console_socket != NULL)
		args->console_socket = make_absolute(args->console_socket, paths[1]);
	return command->bundle != NULL;
}

/* Behind the records goes the plan, which says where the ops come from. Node goes on from there. */
static _Noreturn void hand_over(const struct args *args, const struct origin *origin)
{
	struct stat st;
	off_t at = 0;

	if (fstat(args->plan_fd, &st) == 0)
		(void)!sendfile(args->status_fd, args->plan_fd, &at, (size_t)st.st_size);
	become_node(origin, args->status_fd);
}

/* init, which is our child if we are a subreaper. Hooks start in the bundle. */
static pid_t create(const struct command *command, const struct origin *origin)
{
	struct failure verdict = { 0 };

	if (chdir(command->bundle) < 0 || call_executor("create", &command->args, &verdict) < 0)
		become_node(origin, -1);
	(void)!chdir("/");
	if (verdict.problem != PROBLEM_NONE || answer_has_warnings(command->args.status_fd))
		hand_over(&command->args, origin);
	return verdict.pid;
}

static void start(const struct args *created, const struct origin *origin)
{
	static struct context ctx;
	struct args args = args_none();

	args.root = created->root;
	args.id = created->id;
	args.status_fd = created->status_fd;
	args.plan_fd = created->plan_fd; /* not to be closed */
	context_init(&ctx, &args);
	if (executor_run("start", &ctx, origin->argv) != 0 || ctx.warned)
		hand_over(created, origin);
}

/* `tsrun delete`, which the supervisor starts when there is something to say: src/runtime/runtime.ts, reporterOf(). */
static void describe_reporter(const struct command *command, char **argv, const char **ret_words)
{
	static char self[PATH_MAX];
	size_t count = 0;

	if (command->verb_at > REPORTER_WORDS - 5 || readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return;
	ret_words[count++] = self;
	for (size_t i = 1; i < command->verb_at; i++)
		ret_words[count++] = argv[i];
	ret_words[count++] = "--root";
	ret_words[count++] = command->args.root;
	ret_words[count++] = "delete";
}

static int supervise(const struct command *command, pid_t init, const struct origin *origin)
{
	static const char *reporter[REPORTER_WORDS];
	static struct context ctx;
	struct args args = args_none();

	describe_reporter(command, origin->argv, reporter);
	args.root = command->args.root;
	args.id = command->args.id;
	args.keep = command->args.keep;
	args.pid = init;
	args.rest = (char **)(uintptr_t)reporter;
	context_init(&ctx, &args);
	return executor_run("supervise", &ctx, origin->argv);
}

int launch_create(struct command *command, struct origin *origin)
{
	bool runs = strcmp(command->name, "run") == 0;
	bool foreground = runs && !command->detach;
	pid_t init;

	command->args.plan_fd = kept_plan(command, origin);
	command->args.status_fd = memfd_create("tsrun-status", MFD_CLOEXEC);
	if (command->args.status_fd < 0)
		node_exec(origin->argv, origin->envp, NULL);
	leave_caller(origin);
	if (foreground) {
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
		hold_signals();
	}
	init = create(command, origin);
	if (!runs)
		return 0;
	start(&command->args, origin);
	return foreground ? supervise(command, init, origin) : 0;
}
