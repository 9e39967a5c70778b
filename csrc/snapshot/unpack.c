/*
 * Unpacking: see unpack.h. Each entry is one walk from the root by SafeRoot, then descriptors; nothing that was
 * looked up is kept for the next one. What is made never follows a link at its last component (O_EXCL, *at calls
 * without AT_SYMLINK_FOLLOW): CVE-2021-32760, CVE-2025-47290.
 */
#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "dirtimes.h"
#include "io.h"
#include "remove.h"
#include "saferoot.h"
#include "xattr.h"

struct target {
	int root_fd;
	int status_fd;
	bool apply;
	struct dirtimes times; /* of directories, set when nothing is made in them any more */
};

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static void warn(const struct target *target, const struct entry *entry, const char *call)
{
	struct failure warning = { 0 };

	(void)fail_entry(entry, call, 0, &warning);
	warning.kind = KIND_WARNING;
	warning.index = entry->h.index;
	(void)write_all(target->status_fd, &warning, sizeof(warning));
}

static struct timespec entry_time(const struct entry *entry)
{
	return (struct timespec){ .tv_sec = entry->h.mtime, .tv_nsec = entry->h.mtime_nsec };
}

/* chown(2) takes set-id bits and security.capability away, so it comes first. */
static int set_attributes(const struct target *target, int fd, const struct entry *entry, struct failure *reterr)
{
	if (fchown(fd, entry->h.uid, entry->h.gid) < 0)
		return FAIL_ENTRY(entry, "fchown", reterr);
	if (xattrs_set(fd, entry) < 0) {
		if (errno != ENOTSUP)
			return FAIL_ENTRY(entry, "fsetxattr", reterr);
		warn(target, entry, "fsetxattr");
	}
	return fchmod(fd, entry->h.mode & 07777) < 0 ? FAIL_ENTRY(entry, "fchmod", reterr) : 0;
}

/* Of what has no descriptor to write through; its mode was given at birth. */
static int set_owner_and_time(int parent, const char *name, const struct entry *entry, struct failure *reterr)
{
	const struct timespec times[2] = { entry_time(entry), entry_time(entry) };

	if (fchownat(parent, name, entry->h.uid, entry->h.gid, AT_SYMLINK_NOFOLLOW) < 0)
		return FAIL_ENTRY(entry, "fchownat", reterr);
	if (utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return FAIL_ENTRY(entry, "utimensat", reterr);
	return 0;
}

/* 1: a directory was made, 0: there is one. *ret_covers: it took the place of a whiteout. */
static int make_directory(int parent, const char *name, bool *ret_covers)
{
	struct stat st;

	*ret_covers = false;
	if (mkdirat(parent, name, 0755) == 0)
		return 1;
	if (errno != EEXIST || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (S_ISDIR(st.st_mode))
		return 0;
	*ret_covers = is_whiteout(&st);
	if (unlinkat(parent, name, 0) < 0 || mkdirat(parent, name, 0755) < 0)
		return -1;
	return 1;
}

static int hide_below(const struct target *target, int fd, const struct entry *entry, struct failure *reterr)
{
	if (target->apply)
		return remove_content(fd) < 0 ? FAIL_ENTRY(entry, "unlinkat", reterr) : 0;
	return xattr_set_opaque(fd) < 0 ? FAIL_ENTRY(entry, "fsetxattr", reterr) : 0;
}

static int finish_directory(
	struct target *target, int fd, const struct entry *entry, bool is_new, struct failure *reterr)
{
	if ((entry->h.flags & ENTRY_BARE) != 0)
		return 0;
	if (!is_new && xattrs_clear(fd) < 0)
		return FAIL_ENTRY(entry, "fremovexattr", reterr);
	if (set_attributes(target, fd, entry, reterr) < 0)
		return -1;
	if (dirtimes_add(&target->times, entry->path, entry_time(entry)) < 0)
		return FAIL_ENTRY(entry, "malloc", reterr);
	return 0;
}

static int unpack_directory(
	struct target *target, int parent, const char *name, const struct entry *entry, struct failure *reterr)
{
	bool covers = false;
	int made = make_directory(parent, name, &covers);
	cleanup_fd int fd = -1;

	if (made < 0)
		return FAIL_ENTRY(entry, "mkdirat", reterr);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return FAIL_ENTRY(entry, "openat", reterr);
	if (((entry->h.flags & ENTRY_OPAQUE) != 0 || covers) && hide_below(target, fd, entry, reterr) < 0)
		return -1;
	return finish_directory(target, fd, entry, made == 1, reterr);
}

static int unpack_file(const struct target *target, struct stream *stream, int parent, const char *name,
	const struct entry *entry, struct failure *reterr)
{
	const struct timespec times[2] = { entry_time(entry), entry_time(entry) };
	cleanup_fd int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return FAIL_ENTRY(entry, "openat", reterr);
	if (stream_read_data(stream, fd, entry, reterr) < 0)
		return -1;
	if (set_attributes(target, fd, entry, reterr) < 0)
		return -1;
	return futimens(fd, times) < 0 ? FAIL_ENTRY(entry, "futimens", reterr) : 0;
}

static int unpack_node(
	const struct target *target, int parent, const char *name, const struct entry *entry, struct failure *reterr)
{
	static const mode_t TYPES[] = {
		[ENTRY_CHARACTER] = S_IFCHR,
		[ENTRY_BLOCK] = S_IFBLK,
		[ENTRY_FIFO] = S_IFIFO,
	};
	mode_t mode = TYPES[entry->h.kind] | (entry->h.mode & 07777);

	if (mknodat(parent, name, mode, makedev(entry->h.rdev_major, entry->h.rdev_minor)) < 0) {
		if (errno != EPERM)
			return FAIL_ENTRY(entry, "mknodat", reterr);
		warn(target, entry, "mknodat"); /* in a user namespace there are no devices */
		return 0;
	}
	return set_owner_and_time(parent, name, entry, reterr);
}

static bool is_same_file(int dir, const char *name, int other_dir, const char *other_name)
{
	struct stat st;
	struct stat other;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(other_dir, other_name, &other, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == other.st_dev &&
	       st.st_ino == other.st_ino;
}

static int unpack_hardlink(
	const struct target *target, int parent, const char *name, const struct entry *entry, struct failure *reterr)
{
	const char *other = NULL;
	cleanup_fd int holder = saferoot_holder(target->root_fd, entry->link, &other);

	if (holder >= 0 && is_same_file(parent, name, holder, other))
		return 0;
	if (holder >= 0 && faccessat(holder, other, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		if (remove_tree(parent, name) < 0 && errno != ENOENT)
			return FAIL_ENTRY(entry, "unlinkat", reterr);
		return linkat(holder, other, parent, name, 0) < 0 ? FAIL_ENTRY(entry, "linkat", reterr) : 0;
	}
	if (errno != ENOENT && errno != ENOTDIR)
		return FAIL_ENTRY(entry, "linkat", reterr);
	warn(target, entry, "linkat"); /* a file of a layer below: the caller knows what to do */
	return 0;
}

/* What this layer has itself is not meant: only in the layers below the name is gone. */
static int unpack_whiteout(
	const struct target *target, int parent, const char *name, const struct entry *entry, struct failure *reterr)
{
	struct stat st;
	cleanup_fd int fd = -1;

	if (target->apply)
		return remove_tree(parent, name) < 0 && errno != ENOENT ? FAIL_ENTRY(entry, "unlinkat", reterr) : 0;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return mknodat(parent, name, S_IFCHR, 0) < 0 ? FAIL_ENTRY(entry, "mknodat", reterr) : 0;
	if (!S_ISDIR(st.st_mode))
		return 0;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return FAIL_ENTRY(entry, "openat", reterr);
	return hide_below(target, fd, entry, reterr);
}

static int unpack_attributes(struct target *target, const struct entry *entry, struct failure *reterr)
{
	cleanup_fd int fd = saferoot_open(target->root_fd, entry->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : FAIL_ENTRY(entry, "openat2", reterr);
	/* overlayfs heeds no such mark on the root of a layer: the caller leaves the layers below out instead. */
	if (target->apply && (entry->h.flags & ENTRY_OPAQUE) != 0 && remove_content(fd) < 0)
		return FAIL_ENTRY(entry, "unlinkat", reterr);
	return finish_directory(target, fd, entry, false, reterr);
}

static int unpack_other(struct target *target, struct stream *stream, int parent, const char *name,
	const struct entry *entry, struct failure *reterr)
{
	if (remove_tree(parent, name) < 0 && errno != ENOENT)
		return FAIL_ENTRY(entry, "unlinkat", reterr);
	if (entry->h.kind == ENTRY_FILE)
		return unpack_file(target, stream, parent, name, entry, reterr);
	if (entry->h.kind != ENTRY_SYMLINK)
		return unpack_node(target, parent, name, entry, reterr);
	if (symlinkat(entry->link, parent, name) < 0)
		return FAIL_ENTRY(entry, "symlinkat", reterr);
	return set_owner_and_time(parent, name, entry, reterr);
}

static int unpack_entry(struct target *target, struct stream *stream, const struct entry *entry, struct failure *reterr)
{
	const char *name = NULL;
	cleanup_fd int parent = -1;
	struct stat st;

	if (entry->h.kind == ENTRY_ATTRIBUTES || strcmp(entry->path, ".") == 0)
		return unpack_attributes(target, entry, reterr);
	parent = saferoot_parent(target->root_fd, entry->path, &name);
	if (parent < 0)
		return FAIL_ENTRY(entry, "openat2", reterr);
	if ((entry->h.flags & ENTRY_KEEP) != 0 && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		!is_whiteout(&st))
		return entry->h.kind == ENTRY_FILE ? stream_read_data(stream, -1, entry, reterr) : 0;
	if ((entry->h.flags & ENTRY_SAME) != 0 && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISDIR(st.st_mode) != (entry->h.kind == ENTRY_DIRECTORY)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : ENOTDIR;
		return FAIL_ENTRY(entry, "openat", reterr);
	}
	switch (entry->h.kind) {
	case ENTRY_DIRECTORY:
		return unpack_directory(target, parent, name, entry, reterr);
	case ENTRY_HARDLINK:
		return unpack_hardlink(target, parent, name, entry, reterr);
	case ENTRY_WHITEOUT:
		return unpack_whiteout(target, parent, name, entry, reterr);
	case ENTRY_FILE:
	case ENTRY_SYMLINK:
	case ENTRY_CHARACTER:
	case ENTRY_BLOCK:
	case ENTRY_FIFO:
		return unpack_other(target, stream, parent, name, entry, reterr);
	default:
		errno = EPROTO;
		return FAIL_ENTRY(entry, "read", reterr);
	}
}

int unpack(int root_fd, int stream_fd, int status_fd, bool apply, struct failure *reterr)
{
	static struct stream stream;
	static struct entry entry;
	static unsigned char xattrs[XATTRS_MAX];
	struct target target = { .root_fd = root_fd, .status_fd = status_fd, .apply = apply };

	stream.fd = stream_fd;
	entry.xattrs = xattrs;
	for (;;) {
		if (stream_read_entry(&stream, &entry, reterr) < 0)
			return -1;
		if (entry.h.kind == ENTRY_END)
			break;
		if (unpack_entry(&target, &stream, &entry, reterr) < 0)
			return -1;
	}
	return dirtimes_apply(&target.times, root_fd) < 0 ? FAIL(reterr, "futimens") : 0;
}
