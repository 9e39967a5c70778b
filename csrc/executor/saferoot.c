/*
 * SafeRoot: see saferoot.h.
 *
 * What exists is found by one openat2(2). What is missing is made component by component on
 * descriptors: every mkdirat(2) names a single component below a directory that was opened without
 * following a link, so the kernel never re-resolves a path that somebody else may be changing.
 * Links on the way are expanded as text, ".." takes a component off the text; both stay inside the
 * root because every lookup starts again from it.
 */
#include "saferoot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cleanup.h"
#include "sys.h"

#define MAX_LINKS	  40 /* as the kernel: path_resolution(7) */
#define RETRY_NANOSECONDS 100000000LL

struct walk {
	int root_fd;
	int fd; /* O_PATH of the directory that done names */
	mode_t mode;
	bool to_file; /* the last component is a file */
	unsigned int links;
	size_t done_length;
	char done[PATH_MAX]; /* resolved so far: no links, no "..", no slash at either end */
	char rest[PATH_MAX]; /* still to be resolved */
};

static void close_walk(struct walk *walk)
{
	close_fd(&walk->fd);
}

static long long now(void)
{
	struct timespec ts = { 0, 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int saferoot_open(int root_fd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned int)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long long deadline = 0;

	for (;;) {
		int fd = sys_openat2(root_fd, path, &how);

		/* EAGAIN: any rename on the system while ".." was looked up. */
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			return fd;
		if (deadline == 0)
			deadline = now() + RETRY_NANOSECONDS;
		else if (now() > deadline)
			return -1;
		(void)sched_yield();
	}
}

/* Puts text in front of what is still to be resolved. */
static int prepend(struct walk *walk, const char *text, size_t length)
{
	size_t rest = strlen(walk->rest);

	if (length + 1 + rest >= sizeof(walk->rest)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memmove(walk->rest + length + 1, walk->rest, rest + 1);
	memcpy(walk->rest, text, length);
	walk->rest[length] = '/';
	return 0;
}

/* Takes the next component off rest; an empty one means that nothing is left. */
static int take_component(struct walk *walk, char name[NAME_MAX + 1])
{
	size_t start = strspn(walk->rest, "/");
	size_t length = strcspn(walk->rest + start, "/");

	if (length > NAME_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(name, walk->rest + start, length);
	name[length] = '\0';
	memmove(walk->rest, walk->rest + start + length, strlen(walk->rest + start + length) + 1);
	return 0;
}

static bool is_last(const struct walk *walk)
{
	return walk->rest[strspn(walk->rest, "/")] == '\0';
}

/* Opens the directory that done names, from the root. */
static int reopen(struct walk *walk)
{
	const char *path = walk->done_length == 0 ? "." : walk->done;

	close_fd(&walk->fd);
	walk->fd = saferoot_open(walk->root_fd, path, O_PATH | O_DIRECTORY);
	return walk->fd < 0 ? -1 : 0;
}

static int go_up(struct walk *walk)
{
	char *slash = strrchr(walk->done, '/');

	walk->done_length = slash == NULL ? 0 : (size_t)(slash - walk->done);
	walk->done[walk->done_length] = '\0';
	return reopen(walk);
}

static int go_down(struct walk *walk, const char *name, int *fd)
{
	size_t length = strlen(name);
	size_t slash = walk->done_length > 0 ? 1 : 0;

	if (walk->done_length + slash + length >= sizeof(walk->done)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (slash == 1)
		walk->done[walk->done_length] = '/';
	memcpy(walk->done + walk->done_length + slash, name, length + 1);
	walk->done_length += slash + length;
	close_fd(&walk->fd);
	walk->fd = steal_fd(fd);
	return 0;
}

static int follow_link(struct walk *walk, int link_fd)
{
	char text[PATH_MAX];
	ssize_t length = readlinkat(link_fd, "", text, sizeof(text));

	if (length < 0)
		return -1;
	if (++walk->links > MAX_LINKS) {
		errno = ELOOP;
		return -1;
	}
	if (length == 0 || (size_t)length == sizeof(text)) {
		errno = length == 0 ? ENOENT : ENAMETOOLONG;
		return -1;
	}
	if (prepend(walk, text, (size_t)length) < 0)
		return -1;
	if (text[0] != '/')
		return 0;
	walk->done_length = 0;
	walk->done[0] = '\0';
	return reopen(walk);
}

static int make_component(const struct walk *walk, const char *name)
{
	cleanup_fd int fd = -1;

	if (!walk->to_file || !is_last(walk))
		return mkdirat(walk->fd, name, walk->mode);
	/* Never O_CREAT alone: it would follow a link that was put here a moment ago (CVE-2024-45310). */
	fd = openat(walk->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 ? -1 : 0;
}

/* Opens the component, making it first when it is missing. A link stays a link. */
static int open_component(const struct walk *walk, const char *name)
{
	/* Somebody may remove what was just made; not for ever. */
	for (unsigned int tries = 0; tries < 16; tries++) {
		int fd = openat(walk->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0 || errno != ENOENT)
			return fd;
		if (make_component(walk, name) < 0 && errno != EEXIST)
			return -1;
	}
	errno = EAGAIN;
	return -1;
}

/* One component. 1: the file that was asked for is in *ret_file. */
static int step(struct walk *walk, const char *name, int *ret_file)
{
	cleanup_fd int fd = -1;
	struct stat st;

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0)
		return go_up(walk);
	fd = open_component(walk, name);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (S_ISLNK(st.st_mode))
		return follow_link(walk, fd);
	if (S_ISDIR(st.st_mode))
		return go_down(walk, name, &fd);
	if (walk->to_file && is_last(walk)) {
		*ret_file = steal_fd(&fd);
		return 1;
	}
	errno = ENOTDIR;
	return -1;
}

static int walk_path(struct walk *walk)
{
	char name[NAME_MAX + 1];
	int file = -1;

	if (reopen(walk) < 0)
		return -1;
	for (;;) {
		int result;

		if (take_component(walk, name) < 0)
			return -1;
		if (name[0] == '\0')
			return steal_fd(&walk->fd);
		result = step(walk, name, &file);
		if (result != 0)
			return result < 0 ? -1 : file;
	}
}

static int open_or_make(int root_fd, const char *path, mode_t mode, bool to_file)
{
	__attribute__((cleanup(close_walk))) struct walk walk = {
		.root_fd = root_fd,
		.fd = -1,
		.mode = mode,
		.to_file = to_file,
	};
	size_t length = strlen(path);
	int fd = saferoot_open(root_fd, path, O_PATH | (to_file ? 0 : O_DIRECTORY));

	if (fd >= 0 || errno != ENOENT || length == 0)
		return fd;
	if (length >= sizeof(walk.rest)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(walk.rest, path, length + 1);
	return walk_path(&walk);
}

int saferoot_mkdir(int root_fd, const char *path, mode_t mode)
{
	return open_or_make(root_fd, path, mode, false);
}

int saferoot_mkfile(int root_fd, const char *path)
{
	return open_or_make(root_fd, path, 0755, true);
}

int saferoot_parent(int root_fd, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	char parent[PATH_MAX];
	size_t length = (size_t)(name - path);

	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		errno = EINVAL;
		return -1;
	}
	if (length >= sizeof(parent)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(parent, path, length);
	parent[length] = '\0';
	*ret_name = name;
	return saferoot_mkdir(root_fd, length == 0 ? "." : parent, 0755);
}

int saferoot_holder(int root_fd, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX] = ".";
	size_t length = slash == NULL ? 0 : (size_t)(slash - path);

	if (length >= sizeof(parent)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	*ret_name = slash == NULL ? path : slash + 1;
	if (length > 0) {
		memcpy(parent, path, length);
		parent[length] = '\0';
	}
	return saferoot_open(root_fd, parent, O_PATH | O_DIRECTORY);
}
