/*
 * ID_MAPS, ID_MAP_CHECK, ID_MAP_TOOL: user_namespaces(7), newuidmap(1). The kernel takes a whole map in one write(2)
 * from whoever may write it, and lets a user without rights map the own id only; further ones the set-uid tools grant
 * by subuid(5).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../cleanup.h"
#include "../context.h"
#include "../io.h"
#include "../procfs.h"
#include "../signals.h"
#include "../sys.h"
#include "../vector.h"

#define OUTPUT_MAX 512
#define MAP_MAX	   16384 /* 340 lines of 33 bytes */

static int write_of_init(struct context *ctx, const char *file, const char *value, struct failure *reterr)
{
	char path[48];

	(void)snprintf(path, sizeof(path), "%d/%s", ctx->init_pid, file);
	if (procfs_write(ctx->proc_fd, path, value) < 0)
		return FAIL(reterr, file);
	return 0;
}

int op_id_maps(struct context *ctx, const struct op_id_maps *op, struct failure *reterr)
{
	const char *uids = plan_str(&ctx->plan, op->uid_map);
	const char *gids = plan_str(&ctx->plan, op->gid_map);

	/* Before gid_map, and never back: CVE-2014-8989. */
	if (op->setgroups == SETGROUPS_DENY && write_of_init(ctx, "setgroups", "deny", reterr) < 0)
		return -1;
	if (op->setgroups == SETGROUPS_ALLOW && write_of_init(ctx, "setgroups", "allow", reterr) < 0)
		return -1;
	if (uids[0] != '\0' && write_of_init(ctx, "uid_map", uids, reterr) < 0)
		return -1;
	return gids[0] == '\0' ? 0 : write_of_init(ctx, "gid_map", gids, reterr);
}

/* The next line of the kernel's, which aligns its columns, as the plan writes it. False at the end. */
static bool take_line(char **text, char line[48])
{
	unsigned long numbers[3];

	if (**text == '\0')
		return false;
	for (unsigned int i = 0; i < 3; i++)
		numbers[i] = strtoul(*text, text, 10);
	if (**text == '\n')
		(*text)++;
	(void)snprintf(line, 48, "%lu %lu %lu\n", numbers[0], numbers[1], numbers[2]);
	return true;
}

static size_t count_lines(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += *text == '\n';
	return count;
}

static bool has_line(const char *text, const char *line)
{
	const char *at = strstr(text, line);

	while (at != NULL && at != text && at[-1] != '\n')
		at = strstr(at + 1, line);
	return at != NULL;
}

/* In whatever order: the kernel sorts a long map. */
int op_id_map_check(struct context *ctx, const struct op_id_map_check *op, struct failure *reterr)
{
	static char text[MAP_MAX];
	const char *map = plan_str(&ctx->plan, op->map);
	const char *file = plan_str(&ctx->plan, op->file);
	cleanup_fd int fd = -1;
	char path[48];
	char line[48];
	char *rest = text;
	ssize_t length;
	bool same;

	(void)snprintf(path, sizeof(path), "%d/%s", ctx->init_pid, file);
	fd = procfs_openat(ctx->proc_fd, path, O_RDONLY);
	length = fd < 0 ? -1 : read_upto(fd, text, sizeof(text) - 1);
	if (length < 0)
		return FAIL(reterr, file);
	text[length] = '\0';
	same = count_lines(map) == count_lines(text);
	while (same && take_line(&rest, line))
		same = has_line(map, line);
	if (same)
		return 0;
	errno = EINVAL;
	(void)FAIL_AS(reterr, PROBLEM_ID_MAP_DIFFERS, "read");
	failure_detail(reterr, text, (size_t)length);
	return -1;
}

/* Nothing of ours but the pipe: no environment, no descriptor, default signals. */
_Noreturn static void tool_main(const char **argv, int output)
{
	char *const no_environment[] = { NULL };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
		dup2(output, STDERR_FILENO) >= 0 && sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0) {
		signals_reset();
		(void)execve(argv[0], (char *const *)(uintptr_t)argv, no_environment);
	}
	(void)dprintf(STDERR_FILENO, "execve: errno %d", errno);
	_exit(127);
}

int op_id_map_tool(struct context *ctx, const struct op_id_map_tool *op, struct failure *reterr)
{
	const char **ranges = vector_map(&ctx->plan, op->ranges, 0);
	const char **argv = vector_map(&ctx->plan, op->ranges, 2);
	char output[OUTPUT_MAX];
	char pid_text[16];
	cleanup_fd int reading = -1;
	cleanup_fd int writing = -1;
	ssize_t length;
	int ends[2];
	int status;
	pid_t pid;

	if (ranges == NULL || argv == NULL)
		return FAIL(reterr, "mmap");
	(void)snprintf(pid_text, sizeof(pid_text), "%d", ctx->init_pid);
	argv[0] = plan_str(&ctx->plan, op->path);
	argv[1] = pid_text;
	for (uint32_t i = 0; i < op->ranges.count; i++)
		argv[i + 2] = ranges[i];
	argv[op->ranges.count + 2] = NULL;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return FAIL(reterr, "pipe2");
	reading = ends[0];
	writing = ends[1];
	/* A caller that ignores SIGCHLD would take the exit status from us. */
	(void)signal(SIGCHLD, SIG_DFL);
	pid = fork();
	if (pid < 0)
		return FAIL(reterr, "fork");
	if (pid == 0)
		tool_main(argv, writing);
	close_fd(&writing);
	length = read_upto(reading, output, sizeof(output));
	/* What it still wants to say is not kept, and must not keep it. */
	close_fd(&reading);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return FAIL(reterr, "waitpid");
	if (status == 0)
		return 0;
	errno = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	(void)FAIL_AS(reterr, PROBLEM_ID_MAP_TOOL, "newuidmap");
	failure_detail(reterr, output, length < 0 ? 0 : (size_t)length);
	return -1;
}
