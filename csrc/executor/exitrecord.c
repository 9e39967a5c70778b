/* The exit record: see exitrecord.h. */
#include "exitrecord.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"

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
