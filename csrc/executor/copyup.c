/*
 * The mount option tmpcopyup: see copyup.h.
 *
 * By descriptors only, one component at a time and never through a link: the tree belongs to the image,
 * and a process that shares it may change it meanwhile. No heap: the depth is bounded instead.
 */
#include "copyup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "directory.h"

#define MAX_DEPTH      64 /* three descriptors and 4 KiB of stack each */
#define SENDFILE_BYTES (16u * 1024 * 1024)

/* What is being copied, for one entry. */
struct entry {
	int source_dir;
	int target_dir;
	const char *name;
	unsigned int depth;
	struct stat st;
};

static int copy_directory(int source, int target, unsigned int depth, struct failure *reterr);

static int fail_at(const char *call, const char *name, int line, struct failure *reterr)
{
	(void)failure_set(reterr, PROBLEM_SYSCALL, call, line);
	failure_detail(reterr, name, strlen(name));
	return -1;
}

/* Owner, mode and times of a descriptor; in this order, because a change of owner clears set-id bits. */
static int copy_attributes(int fd, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchown(fd, st->st_uid, st->st_gid) < 0)
		return -1;
	if (fchmod(fd, st->st_mode & 07777u) < 0)
		return -1;
	return futimens(fd, times);
}

/* The same for what has no descriptor to write through: symlinks, devices. Their mode was given at birth. */
static int copy_attributes_at(const struct entry *entry)
{
	const struct timespec times[2] = { entry->st.st_atim, entry->st.st_mtim };

	if (fchownat(entry->target_dir, entry->name, entry->st.st_uid, entry->st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return utimensat(entry->target_dir, entry->name, times, AT_SYMLINK_NOFOLLOW);
}

static int copy_file(const struct entry *entry, struct failure *reterr)
{
	/* O_NONBLOCK: it may have become a FIFO. */
	cleanup_fd int from =
		openat(entry->source_dir, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	cleanup_fd int to = -1;
	struct stat st;
	ssize_t copied;

	if (from < 0 || fstat(from, &st) < 0)
		return fail_at("openat", entry->name, __LINE__, reterr);
	if (!S_ISREG(st.st_mode)) {
		errno = EXDEV;
		return fail_at("openat", entry->name, __LINE__, reterr);
	}
	to = openat(entry->target_dir, entry->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return fail_at("openat", entry->name, __LINE__, reterr);
	do
		copied = sendfile(to, from, NULL, SENDFILE_BYTES);
	while (copied > 0 || (copied < 0 && errno == EINTR));
	if (copied < 0)
		return fail_at("sendfile", entry->name, __LINE__, reterr);
	if (copy_attributes(to, &st) < 0)
		return fail_at("fchown", entry->name, __LINE__, reterr);
	return 0;
}

static int copy_subdirectory(const struct entry *entry, struct failure *reterr)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	cleanup_fd int from = openat(entry->source_dir, entry->name, flags);
	cleanup_fd int to = -1;
	struct stat st;

	if (from < 0 || fstat(from, &st) < 0)
		return fail_at("openat", entry->name, __LINE__, reterr);
	if (mkdirat(entry->target_dir, entry->name, 0700) < 0)
		return fail_at("mkdirat", entry->name, __LINE__, reterr);
	to = openat(entry->target_dir, entry->name, flags);
	if (to < 0)
		return fail_at("openat", entry->name, __LINE__, reterr);
	if (copy_directory(from, to, entry->depth + 1, reterr) < 0)
		return -1;
	if (copy_attributes(to, &st) < 0)
		return fail_at("fchown", entry->name, __LINE__, reterr);
	return 0;
}

static int copy_link(const struct entry *entry, struct failure *reterr)
{
	char text[PATH_MAX];
	ssize_t length = readlinkat(entry->source_dir, entry->name, text, sizeof(text) - 1);

	if (length < 0)
		return fail_at("readlinkat", entry->name, __LINE__, reterr);
	text[length] = '\0';
	if (symlinkat(text, entry->target_dir, entry->name) < 0)
		return fail_at("symlinkat", entry->name, __LINE__, reterr);
	if (copy_attributes_at(entry) < 0)
		return fail_at("fchownat", entry->name, __LINE__, reterr);
	return 0;
}

static int copy_node(const struct entry *entry, struct failure *reterr)
{
	if (mknodat(entry->target_dir, entry->name, entry->st.st_mode, entry->st.st_rdev) < 0)
		return fail_at("mknodat", entry->name, __LINE__, reterr);
	if (copy_attributes_at(entry) < 0)
		return fail_at("fchownat", entry->name, __LINE__, reterr);
	return 0;
}

static int copy_entry(int source, int target, const char *name, unsigned int depth, struct failure *reterr)
{
	struct entry entry = { .source_dir = source, .target_dir = target, .name = name, .depth = depth };

	if (fstatat(source, name, &entry.st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_at("fstatat", name, __LINE__, reterr);
	if (S_ISREG(entry.st.st_mode))
		return copy_file(&entry, reterr);
	if (S_ISDIR(entry.st.st_mode))
		return copy_subdirectory(&entry, reterr);
	if (S_ISLNK(entry.st.st_mode))
		return copy_link(&entry, reterr);
	return copy_node(&entry, reterr);
}

static int copy_directory(int source, int target, unsigned int depth, struct failure *reterr)
{
	struct directory directory;
	const struct dirent64 *entry;

	if (depth >= MAX_DEPTH) {
		errno = ELOOP;
		return FAIL(reterr, "openat");
	}
	if (directory_rewind(&directory, source) < 0)
		return FAIL(reterr, "lseek");
	while ((entry = directory_next(&directory)) != NULL)
		if (copy_entry(source, target, entry->d_name, depth, reterr) < 0)
			return -1;
	return directory.length < 0 ? FAIL(reterr, "getdents64") : 0;
}

int copy_up(int source_fd, int target_fd, struct failure *reterr)
{
	cleanup_fd int from = openat(source_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (from < 0)
		return FAIL(reterr, "openat");
	return copy_directory(from, target_fd, 0, reterr);
}
