/* A plan from the cache: see kept.h. */
#include "kept.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "cache.h"
#include "io.h"
#include "node.h"

/* With the place of its answer. */
static _Noreturn void ask_node(const struct question *question, const char *name, const struct origin *origin)
{
	char variable[64];
	int fd = memfd_create("tsrun-question", 0);

	if (fd < 0 || write_all(fd, question->text.at, question->text.size) < 0)
		node_exec(origin->argv, origin->envp, NULL);
	(void)snprintf(variable, sizeof(variable), "TSRUN_QUESTION=%d %s", fd, name);
	node_exec(origin->argv, origin->envp, variable);
}

/* src/runtime/console.ts has the rules, and what to say of those that are broken. */
static bool console_fits(const struct command *command, bool terminal)
{
	const char *socket = command->args.console_socket;
	bool detached = command->detach || strcmp(command->name, "create") == 0;

	if (!terminal)
		return socket == NULL;
	return detached && socket != NULL && strlen(socket) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

int kept_plan(const struct command *command, const struct origin *origin)
{
	const struct question_options options = {
		.home = node_home(),
		.bundle = command->bundle,
		.no_pivot = command->no_pivot,
		.no_new_keyring = command->no_new_keyring,
		.systemd_cgroup = command->systemd_cgroup,
		.process = command->process,
		.root = command->args.root,
		.id = command->args.id,
	};
	const char *directory = cache_directory();
	struct question question;
	struct cached cached;

	if (directory == NULL || options.home == NULL || question_ask(&options, &question) < 0)
		node_exec(origin->argv, origin->envp, NULL);
	cache_find(directory, &question, &cached);
	if (cached.plan_fd < 0)
		ask_node(&question, cached.name, origin);
	if (!console_fits(command, cached.terminal))
		node_exec(origin->argv, origin->envp, NULL);
	return cached.plan_fd;
}
