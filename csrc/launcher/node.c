/*
 * Node: see node.h. Engines start tsrun with their own environment: Node gets the few variables that it or tsrun needs,
 * and none that would change how it or the loader works (NODE_OPTIONS, LD_PRELOAD; NODE_EXTRA_CA_CERTS costs 30 ms).
 */
#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "room.h"

#ifndef TSRUN_NODE
#define TSRUN_NODE "/usr/bin/node" /* the one that built this program, for a PATH without one */
#endif

static const char *const ALLOWED[] = {
	"PATH",
	"XDG_RUNTIME_DIR",
	"USER",
	"DBUS_SESSION_BUS_ADDRESS",
	/* Of a service manager: sd_notify(3), sd_listen_fds(3). LISTEN_PID stays true, because exec keeps the pid. */
	"NOTIFY_SOCKET",
	"LISTEN_PID",
	"LISTEN_FDS",
	"LISTEN_FDNAMES",
	/* For images: where they lie, whose credentials, and how registries are reached. Node itself reads none of
	   them. */
	"TSRUN_DATA_ROOT",
	"HOME",
	"XDG_DATA_HOME",
	"DOCKER_CONFIG",
	"REGISTRY_AUTH_FILE",
	"HTTP_PROXY",
	"HTTPS_PROXY",
	"NO_PROXY",
	"http_proxy",
	"https_proxy",
	"no_proxy",
	"TSRUN_CACHE",
};

#define ALLOWED_COUNT (sizeof(ALLOWED) / sizeof(ALLOWED[0]))

struct environment {
	char open_files[sizeof("TSRUN_NOFILE=") + 24];
	char *variables[ALLOWED_COUNT + 3];
};

static char *find(char **envp, const char *name)
{
	size_t length = strlen(name);

	for (; *envp != NULL; envp++)
		if (strncmp(*envp, name, length) == 0 && (*envp)[length] == '=')
			return *envp;
	return NULL;
}

/* Node raises the soft limit on open files to the hard one; the container gets it back as the caller had it. */
static void print_open_files(char *text, size_t size)
{
	struct rlimit limit = { .rlim_cur = RLIM_INFINITY };

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur == RLIM_INFINITY)
		(void)snprintf(text, size, "TSRUN_NOFILE=unlimited");
	else
		(void)snprintf(text, size, "TSRUN_NOFILE=%llu", (unsigned long long)limit.rlim_cur);
}

static void make_environment(char **envp, const char *more, struct environment *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < ALLOWED_COUNT; i++) {
		char *variable = find(envp, ALLOWED[i]);

		if (variable != NULL)
			ret->variables[count++] = variable;
	}
	print_open_files(ret->open_files, sizeof(ret->open_files));
	ret->variables[count++] = ret->open_files;
	if (more != NULL)
		ret->variables[count++] = (char *)(uintptr_t)more;
	ret->variables[count] = NULL;
}

/* Whatever link or name it was started by: proc(5). */
const char *node_home(void)
{
	static char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (length < 0)
		return NULL;
	path[length] = '\0';
	for (int i = 0; i < 2; i++) {
		char *slash = strrchr(path, '/');

		if (slash == NULL)
			return NULL;
		*slash = '\0';
	}
	return path;
}

static void complain(const char *name, int error)
{
	(void)dprintf(STDERR_FILENO, "tsrun: %s: %s\n", name, strerror(error));
}

/* argv with node and its script in place of its first word. No more of it than the kernel took: execve(2), E2BIG. */
static void start(char *script, char **argv, char **variables)
{
	size_t count = 0;

	while (argv[count] != NULL)
		count++;

	char *words[count + 2];

	words[0] = (char[]){ "node" };
	words[1] = script;
	memcpy(words + 2, argv + 1, count * sizeof(words[0]));
	(void)execvpe("node", words, variables);
	if (errno == ENOENT)
		(void)execve(TSRUN_NODE, words, variables);
}

_Noreturn void node_exec(char **argv, char **envp, const char *variable)
{
	static struct environment environment;
	char script[PATH_MAX + sizeof("/dist/tsrun.cjs")];
	const char *home = node_home();

	if (home == NULL) {
		complain("/proc/self/exe", errno);
		(void)dprintf(STDERR_FILENO, "hint: tsrun needs a procfs: mount -t proc proc /proc\n");
		_exit(1);
	}
	(void)snprintf(script, sizeof(script), "%s/dist/tsrun.cjs", home);
	if (access(script, R_OK) < 0) {
		(void)dprintf(STDERR_FILENO, "tsrun: not built: run 'npm ci && npm run build' in %s\n", home);
		_exit(1);
	}
	if (!has_room_for_node())
		_exit(1);
	make_environment(envp, variable, &environment);
	environ = envp; /* where execvpe(3) looks for PATH */
	start(script, argv, environment.variables);
	complain("node", errno);
	_exit(1);
}
