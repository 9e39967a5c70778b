/*
 * User namespaces: see userns.h. newuidmap(1) must be run by a process outside the new namespace while this one waits
 * in it, so that a child is forked before, and waits for its turn.
 */
#include "userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"
#include "sys.h"

#define RANGES_MAX  1023
#define VARIABLE    "TSRUN_USERNS"
#define INITIAL_MAP "0 0 4294967295"

int refuse(struct refusal *refusal, const char *call)
{
	refusal->call = call;
	refusal->number = errno;
	return -1;
}

/* Nothing of ours but the pipe: no environment, no descriptor. */
_Noreturn static void become_tool(const char *tool, pid_t pid, char *ranges)
{
	char *const no_environment[] = { NULL };
	char *argv[RANGES_MAX + 3] = { (char *)(uintptr_t)tool };
	char pid_text[16];
	char *rest = NULL;
	int count = 2;

	(void)snprintf(pid_text, sizeof(pid_text), "%d", pid);
	argv[1] = pid_text;
	for (char *word = strtok_r(ranges, " ", &rest); word != NULL && count < RANGES_MAX + 2;
		word = strtok_r(NULL, " ", &rest))
		argv[count++] = word;
	(void)execve(tool, argv, no_environment);
	(void)dprintf(STDERR_FILENO, "%s: errno %d", tool, errno);
	_exit(127);
}

static bool run_tool(const char *tool, pid_t pid, char *ranges)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		become_tool(tool, pid, ranges);
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

_Noreturn static void tools_main(char **words, pid_t pid, int turn, int output)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char byte;

	if (read_upto(turn, &byte, 1) != 1 || null < 0)
		_exit(1);
	if (dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
		_exit(1);
	(void)sys_close_range(3, ~0U, 0);
	_exit(run_tool(words[2], pid, words[0]) && run_tool(words[3], pid, words[1]) ? 0 : 1);
}

static int leave(struct refusal *refusal)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return refuse(refusal, "unshare");
	return 0;
}

/* What is mounted on the host later is seen, what is mounted here is not. */
static int own_mounts(struct refusal *refusal)
{
	return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ? refuse(refusal, "mount") : 0;
}

static int map_own(char **words, struct refusal *refusal)
{
	if (leave(refusal) < 0)
		return -1;
	/* Before gid_map, or it is refused: CVE-2014-8989. */
	if (write_file_at(AT_FDCWD, "/proc/self/setgroups", "deny") < 0)
		return refuse(refusal, "setgroups");
	if (write_file_at(AT_FDCWD, "/proc/self/uid_map", words[0]) < 0)
		return refuse(refusal, "uid_map");
	if (write_file_at(AT_FDCWD, "/proc/self/gid_map", words[1]) < 0)
		return refuse(refusal, "gid_map");
	return own_mounts(refusal);
}

static int map_by_tools(char **words, struct refusal *refusal)
{
	cleanup_fd int turn = -1;
	cleanup_fd int said = -1;
	pid_t self = getpid();
	int turns[2];
	int outputs[2];
	ssize_t length;
	int status;
	pid_t child;

	if (pipe2(turns, O_CLOEXEC) < 0 || pipe2(outputs, O_CLOEXEC) < 0)
		return refuse(refusal, "pipe2");
	child = fork();
	if (child < 0)
		return refuse(refusal, "fork");
	if (child == 0) {
		(void)close(turns[1]);
		tools_main(words, self, turns[0], outputs[1]);
	}
	turn = turns[1];
	said = outputs[0];
	(void)close(turns[0]);
	(void)close(outputs[1]);
	if (leave(refusal) == 0)
		(void)write_all(turn, "x", 1);
	close_fd(&turn);
	length = read_upto(said, refusal->words, REFUSAL_WORDS_MAX);
	refusal->words[length < 0 ? 0 : length] = '\0';
	if (waitpid(child, &status, 0) != child)
		return refuse(refusal, "waitpid");
	if (refusal->call != NULL)
		return -1;
	errno = EPERM;
	return status == 0 ? own_mounts(refusal) : refuse(refusal, "newuidmap");
}

int own_user_namespace(char **words, struct refusal *refusal)
{
	return words[2][0] == '\0' ? map_own(words, refusal) : map_by_tools(words, refusal);
}

void become_program(char **argv, const struct refusal *refusal)
{
	char value[REFUSAL_WORDS_MAX + 64] = "entered";

	if (refusal->call != NULL)
		(void)snprintf(value, sizeof(value), "%s %d %s", refusal->call, refusal->number, refusal->words);
	if (setenv(VARIABLE, value, 1) == 0)
		(void)execv(argv[0], argv);
}

void enter_user_namespace(char **words)
{
	struct refusal refusal = { 0 };

	if (geteuid() != 0)
		(void)own_user_namespace(words, &refusal);
	become_program(words + 4, &refusal);
}

/* The kernel aligns its columns. */
bool in_user_namespace(void)
{
	char text[64];
	char line[48];
	unsigned long numbers[3] = { 0 };
	char *at = text;

	if (read_file_at(AT_FDCWD, "/proc/self/uid_map", text, sizeof(text)) < 0)
		return errno == EFBIG; /* many lines; without the file there are no user namespaces */
	for (unsigned int i = 0; i < 3; i++)
		numbers[i] = strtoul(at, &at, 10);
	(void)snprintf(line, sizeof(line), "%lu %lu %lu", numbers[0], numbers[1], numbers[2]);
	return strcmp(line, INITIAL_MAP) != 0;
}
