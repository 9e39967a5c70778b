/*
 * What a hostile program looks at and tries from inside a container. Static, so that it runs in any root
 * file system. Prints one finding a line; never changes what it finds: a file is "writable" when it can be
 * mapped for writing, which is asked and not used.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static const char *error_name(int error)
{
	return error == 0 ? "ok" : strerrorname_np(error);
}

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFCHR:
		return "char";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	default:
		return "other";
	}
}

/* A file of the host: a directory it can be reached from is the host's root. */
static const char *mark;

/* A directory is the container's own root, the host's, or lies on a procfs with or without sys/, or anywhere. */
static const char *kind_of_directory(const char *path, const struct stat *st)
{
	char below[PATH_MAX];
	struct statfs fs;
	struct stat root;

	snprintf(below, sizeof(below), "%.2000s%.2000s", path, mark == NULL ? "" : mark);
	if (mark != NULL && access(below, F_OK) == 0)
		return "host-root";
	if (stat("/", &root) == 0 && root.st_dev == st->st_dev && root.st_ino == st->st_ino)
		return "own-root";
	if (statfs(path, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return "dir";
	snprintf(below, sizeof(below), "%.4000s/sys/kernel", path);
	if (access(below, F_OK) == 0)
		return "whole-proc";
	snprintf(below, sizeof(below), "%.4000s/../../sys/kernel", path);
	return access(below, F_OK) == 0 ? "whole-proc" : "proc-of-pids";
}

/* Finds everything once: a spy that runs for seconds would print the same lines thousands of times. */
static void tell_once(const char *line)
{
	static char told[512][PATH_MAX];
	static unsigned int count;

	for (unsigned int i = 0; i < count; i++)
		if (strcmp(told[i], line) == 0)
			return;
	if (count < 512)
		snprintf(told[count++], PATH_MAX, "%s", line);
	puts(line);
	fflush(stdout);
}

/* "WHAT KIND TARGET" of a magic link; "WHAT ERROR" when it may not be read. 0 when it could be read. */
static int tell_link(const char *what, const char *path)
{
	char target[PATH_MAX];
	char line[PATH_MAX];
	struct stat st;
	ssize_t length = readlink(path, target, sizeof(target) - 1);

	if (length < 0) {
		snprintf(line, sizeof(line), "%s %s", what, error_name(errno));
		if (errno != ENOENT && errno != ESRCH)
			tell_once(line);
		return -1;
	}
	target[length] = '\0';
	if (stat(path, &st) < 0)
		return -1;
	snprintf(line, sizeof(line), "%s %s %.4000s", what,
		 S_ISDIR(st.st_mode) ? kind_of_directory(path, &st) : kind_of(st.st_mode), target);
	tell_once(line);
	return 0;
}

static int list_fds(const char *directory, const char *what)
{
	DIR *dir = opendir(directory);
	char path[PATH_MAX];
	char name[64];
	int count = 0;

	if (dir == NULL) {
		snprintf(path, sizeof(path), "%s %s", what, error_name(errno));
		if (errno != ENOENT && errno != ESRCH)
			tell_once(path);
		return 0;
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (strcmp(directory, "/proc/self/fd") == 0 && atoi(entry->d_name) == dirfd(dir))
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		snprintf(name, sizeof(name), "%s%.20s", what, what[0] == '\0' ? entry->d_name : "");
		count += tell_link(name, path) == 0;
	}
	closedir(dir);
	return count;
}

static int look_at(const char *pid)
{
	static const char *const LINKS[] = { "exe", "cwd", "root" };
	char path[PATH_MAX];
	int readable = 0;

	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/proc/%s/%s", pid, LINKS[i]);
		readable += tell_link(LINKS[i], path) == 0;
	}
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	return readable + list_fds(path, "fd");
}

static void for_each_process(int (*look)(const char *pid), double seconds, int *ret_seen)
{
	struct timespec now;
	struct timespec start;
	char self[16];

	snprintf(self, sizeof(self), "%d", getpid());
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		DIR *proc = opendir("/proc");

		for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
			if (!isdigit((unsigned char)entry->d_name[0]) || strcmp(entry->d_name, self) == 0 ||
			    strcmp(entry->d_name, "1") == 0)
				continue;
			(*ret_seen)++;
			look(entry->d_name);
		}
		closedir(proc);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 < seconds);
}

/* Everything that /proc shows of the other processes: CVE-2016-9962. */
static int spy(const char *seconds)
{
	int seen = 0;

	for_each_process(look_at, atof(seconds), &seen);
	printf("looked %d\n", seen);
	return 0;
}

/* Can the program of that process be written to, now or when it has ended? CVE-2019-5736. */
static int try_exe(const char *pid)
{
	char path[PATH_MAX];
	char target[PATH_MAX] = "";
	char line[PATH_MAX + 128];
	int reading;
	int writing;
	int error;
	void *map = MAP_FAILED;

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	if (readlink(path, target, sizeof(target) - 1) < 0)
		return 0;
	reading = open(path, O_RDONLY | O_CLOEXEC);
	if (reading < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", reading);
	for (int i = 0; i < 200; i++) {
		writing = open(path, O_RDWR | O_CLOEXEC);
		error = writing < 0 ? errno : 0;
		if (error != ETXTBSY)
			break;
		usleep(1000);
	}
	if (writing >= 0) {
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, writing, 0);
		error = map == MAP_FAILED ? errno : 0;
	}
	snprintf(line, sizeof(line), "exe %.3900s seals=%d write=%s", target, fcntl(reading, F_GET_SEALS), error_name(error));
	tell_once(line);
	if (map != MAP_FAILED)
		munmap(map, 4096);
	close(reading);
	if (writing >= 0)
		close(writing);
	return 1;
}

static int grab(const char *seconds)
{
	int seen = 0;

	for_each_process(try_exe, atof(seconds), &seen);
	printf("looked %d\n", seen);
	return 0;
}

/* Types text into a terminal as if its user had: CVE-2017-5226. */
static int type(const char *text)
{
	int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	printf("controlling %s\n", error_name(tty < 0 ? errno : 0));
	for (int fd = 0; fd <= 2; fd++) {
		char paste[2] = { 3, 0 }; /* TIOCL_PASTESEL of ioctl_console(2) */
		int error = 0;

		for (const char *at = text; *at != '\0' && error == 0; at++)
			error = ioctl(fd, TIOCSTI, at) < 0 ? errno : 0;
		printf("%d TIOCSTI %s\n", fd, error_name(error));
		printf("%d TIOCLINUX %s\n", fd, error_name(ioctl(fd, TIOCLINUX, paste) < 0 ? errno : 0));
		/* Taking the caller's terminal over would make the next TIOCSTI work. */
		printf("%d TIOCSCTTY %s\n", fd, error_name(ioctl(fd, TIOCSCTTY, 1) < 0 ? errno : 0));
	}
	return 0;
}

/* Gives a file a capability, version 2 of security.capability: capabilities(7). */
static int set_capability(const char *path, const char *number, const char *sets)
{
	struct vfs_cap_data data = { .magic_etc = VFS_CAP_REVISION_2 };
	unsigned int bit = (unsigned int)atoi(number);

	if (strchr(sets, 'e') != NULL)
		data.magic_etc |= VFS_CAP_FLAGS_EFFECTIVE;
	if (strchr(sets, 'p') != NULL)
		data.data[bit / 32].permitted = 1u << bit % 32;
	if (strchr(sets, 'i') != NULL)
		data.data[bit / 32].inheritable = 1u << bit % 32;
	if (setxattr(path, "security.capability", &data, XATTR_CAPS_SZ_2, 0) == 0)
		return 0;
	perror(path);
	return 1;
}

static int try_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	printf("open %s\n", error_name(fd < 0 ? errno : 0));
	return 0;
}

/* Leaves its groups, so that a file closed to one of them is open to "others": CVE-2014-8989. */
static int drop_groups(const char *path)
{
	printf("setgroups %s\n", error_name(setgroups(0, NULL) < 0 ? errno : 0));
	return try_open(path);
}

static int stat_device(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		printf("%s %s\n", path, error_name(errno));
	else
		printf("%s %s %u:%u size=%lld\n", path, kind_of(st.st_mode), major(st.st_rdev), minor(st.st_rdev),
		       (long long)st.st_size);
	return 0;
}

/* What a hook was started with, appended to a file in one write. */
static int dump(const char *file, const char *name)
{
	static char text[65536];
	char cwd[PATH_MAX] = "?";
	size_t length;
	int fd;

	if (getcwd(cwd, sizeof(cwd)) == NULL)
		strcpy(cwd, error_name(errno));
	length = (size_t)snprintf(text, sizeof(text), "{\"name\":\"%s\",\"cwd\":\"%s\",\"fds\":[", name, cwd);
	for (int i = 0; i < 1024; i++)
		if (fcntl(i, F_GETFD) >= 0)
			length += (size_t)snprintf(text + length, sizeof(text) - length, "%d,", i);
	length += (size_t)snprintf(text + length, sizeof(text) - length, "-1],\"env\":[");
	for (char **at = environ; *at != NULL; at++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "\"%.200s\",", *at);
	length += (size_t)snprintf(text + length, sizeof(text) - length, "\"\"]}\n");
	fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	return fd >= 0 && write(fd, text, length) == (ssize_t)length ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "fds") == 0)
		return list_fds("/proc/self/fd", ""), 0;
	if (argc == 3 && strcmp(verb, "look") == 0)
		return look_at(argv[2]), 0;
	if (argc == 3 && strcmp(verb, "exe") == 0)
		return try_exe(argv[2]), 0;
	if (argc > 2 && strcmp(verb, "spy") == 0) {
		mark = argv[3];
		return spy(argv[2]);
	}
	if (argc == 3 && strcmp(verb, "grab") == 0)
		return grab(argv[2]);
	if (argc == 3 && strcmp(verb, "type") == 0)
		return type(argv[2]);
	if (argc == 3 && strcmp(verb, "open") == 0)
		return try_open(argv[2]);
	if (argc == 3 && strcmp(verb, "drop-groups") == 0)
		return drop_groups(argv[2]);
	if (argc == 4 && strcmp(verb, "dump") == 0)
		return dump(argv[2], argv[3]);
	if (argc == 5 && strcmp(verb, "set-capability") == 0)
		return set_capability(argv[2], argv[3], argv[4]);
	if (argc > 2 && strcmp(verb, "stat") == 0) {
		for (int i = 2; i < argc; i++)
			stat_device(argv[i]);
		return 0;
	}
	return 2;
}
