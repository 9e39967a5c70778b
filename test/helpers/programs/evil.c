/*
 * A shared object whose constructor notes, beside itself, which program it was loaded into. In a process of
 * the runtime it would run with all its rights: CVE-2025-23266.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void note(void) __attribute__((constructor));

static void note(void)
{
	char path[PATH_MAX + 16];
	char program[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
	Dl_info info;
	int fd;

	if (length < 0 || dladdr((void *)note, &info) == 0)
		return;
	program[length] = '\n';
	snprintf(path, sizeof(path), "%s.loaded", info.dli_fname);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return;
	(void)!write(fd, program, (size_t)length + 1);
	close(fd);
}
