/* The exit record: see exitrecord.h. */
#include "exitrecord.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"
#include "procfs.h"
#include "sys.h"

size_t exit_record(const char *id, pid_t pid, int status, bool oom_killed, char *ret_text)
{
	struct timespec now = { 0 };
	char finished[64];
	char signal[32] = "";
	int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);

	(void)clock_gettime(CLOCK_REALTIME, &now);
	format_time((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, finished, sizeof(finished));
	if (WIFSIGNALED(status))
		(void)snprintf(signal, sizeof(signal), "\"signal\":%d,", WTERMSIG(status));
	return (size_t)snprintf(ret_text, EXIT_RECORD_SIZE,
		"{\"id\":\"%s\",\"pid\":%d,\"exitCode\":%d,%s\"oomKilled\":%s,\"finished\":\"%s\"}\n", id, pid, code,
		signal, oom_killed ? "true" : "false", finished);
}

/* A reader sees no file or a whole one, and a symlink is replaced, not followed. */
int write_file_whole(const char *path, const char *text)
{
	cleanup_fd int dir = -1;
	cleanup_fd int fd = -1;
	char parent[PATH_MAX];
	char temporary[NAME_MAX + 32];
	const char *name = strrchr(path, '/');
	int error;

	if (name == NULL || name[1] == '\0' || strlen(name + 1) > NAME_MAX - 16 ||
		(size_t)(name - path) >= sizeof(parent)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(parent, path, (size_t)(name - path));
	parent[name - path] = '\0';
	name++;
	dir = open(name - path == 1 ? "/" : parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -1;
	(void)snprintf(temporary, sizeof(temporary), ".%s.%d", name, getpid());
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	if (write_all(fd, text, strlen(text)) == 0 && renameat(dir, temporary, dir, name) == 0)
		return 0;
	error = errno;
	(void)unlinkat(dir, temporary, 0);
	errno = error;
	return -1;
}

/* linux/pidfd.h as of 6.15; the first version of the structure. */
struct pidfd_info {
	uint64_t mask;
	uint64_t cgroupid;
	uint32_t ids[11]; /* pid, tgid, ppid, real, effective, saved and file system ids */
	int32_t exit_code;
};

_Static_assert(sizeof(struct pidfd_info) == 64, "PIDFD_INFO_SIZE_VER0");
#define PIDFD_GET_INFO	_IOWR(0xFF, 11, struct pidfd_info)
#define PIDFD_INFO_EXIT (UINT64_C(1) << 3)

/* Field 52 of /proc/PID/stat, while that is the zombie of this process. */
static int status_of_zombie(const struct context *ctx, int *ret_status, bool *ret_executed)
{
	char path[32];
	char text[2048];
	const char *at;
	uint64_t start;

	(void)snprintf(path, sizeof(path), "%d/stat", ctx->init_pid);
	if (read_file_at(ctx->proc_fd, path, text, sizeof(text)) <= 0)
		return -1;
	/* The name of the program may hold anything, but the last parenthesis is its end. */
	at = strrchr(text, ')');
	if (at == NULL || at[1] != ' ' || at[2] != 'Z')
		return -1;
	if (procfs_start_time(ctx->proc_fd, ctx->init_pid, &start) < 0 || start != ctx->init_start)
		return -1;
	at = strrchr(text, ' ');
	*ret_status = atoi(at + 1);
	*ret_executed = strstr(text, "(" INIT_NAME ")") == NULL;
	return 0;
}

static int status_of_pidfd(int pidfd, int *ret_status)
{
	struct pidfd_info info = { .mask = PIDFD_INFO_EXIT };

	if (pidfd < 0 || sys_ioctl(pidfd, PIDFD_GET_INFO, &info) < 0 || (info.mask & PIDFD_INFO_EXIT) == 0)
		return -1;
	*ret_status = info.exit_code;
	return 0;
}

int exit_status_of_init(const struct context *ctx, int *ret_status, bool *ret_executed)
{
	*ret_executed = true;
	/* Reaped between the two questions, the second one has an answer. */
	if (status_of_zombie(ctx, ret_status, ret_executed) == 0)
		return 0;
	return status_of_pidfd(ctx->init_pidfd, ret_status);
}
