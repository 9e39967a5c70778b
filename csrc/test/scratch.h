/*
 * A place for tests that mount: an own mount namespace with a tmpfs on /tmp, gone with the process.
 * Nothing shows on the host.
 */
#ifndef TSRUN_SCRATCH_H
#define TSRUN_SCRATCH_H

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

#define ROOT   "/tmp/root"
#define CANARY "/tmp/canary"

static inline void must(bool done, const char *what)
{
	if (done)
		return;
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Makes ROOT (the rootfs) and CANARY (the host's, with a file victim), and returns a descriptor of ROOT. */
static inline int scratch_root(void)
{
	int fd;

	if (geteuid() != 0) {
		printf("1..0 # SKIP needs root\n");
		exit(0);
	}
	umask(0);
	must(unshare(CLONE_NEWNS) == 0, "unshare");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "mount /");
	must(mount("tmpfs", "/tmp", "tmpfs", 0, "size=16m") == 0, "mount /tmp");
	must(mkdir(ROOT, 0755) == 0 && mkdir(CANARY, 0755) == 0, "mkdir");
	fd = open(CANARY "/victim", O_WRONLY | O_CREAT, 0600);
	must(fd >= 0 && write(fd, "victim", 6) == 6 && close(fd) == 0, "victim");
	fd = open(ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(fd >= 0, "open root");
	return fd;
}

/* Number of entries of a directory, "." and ".." left out. */
static inline int count_entries(const char *path)
{
	DIR *directory = opendir(path);
	int count = -2;

	if (directory == NULL)
		return -1;
	while (readdir(directory) != NULL)
		count++;
	(void)closedir(directory);
	return count;
}

static inline bool canary_is_untouched(void)
{
	struct stat st;

	return stat(CANARY "/victim", &st) == 0 && st.st_size == 6 && (st.st_mode & 07777) == 0600 &&
	       count_entries(CANARY) == 1;
}

static inline bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

#endif
