/*
 * Packing: see pack.h. By descriptors, one name at a time, never through a link: the tree may belong to a container
 * that runs (CVE-2018-15664).
 */
#include "pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "directory.h"
#include "hardlinks.h"
#include "saferoot.h"
#include "stream.h"
#include "xattr.h"

struct source {
	struct pack_options options;
	struct stream *stream;
	struct entry *entry; /* entry->path is the path that is being walked */
	struct hardlinks links;
};

struct names {
	char **all;
	size_t count;
	size_t room;
};

static void free_names(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->all[i]);
	free(names->all);
}

static int add_name(struct names *names, const char *name)
{
	if (names->count == names->room) {
		size_t room = names->room == 0 ? 64 : names->room * 2;
		char **all = realloc(names->all, room * sizeof(*all));

		if (all == NULL)
			return -1;
		names->all = all;
		names->room = room;
	}
	names->all[names->count] = strdup(name);
	return names->all[names->count] == NULL ? -1 : (int)(names->count++, 0);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_names(int fd, struct names *names)
{
	struct directory directory;
	const struct dirent64 *entry;

	if (directory_rewind(&directory, fd) < 0)
		return -1;
	while ((entry = directory_next(&directory)) != NULL)
		if (add_name(names, entry->d_name) < 0)
			return -1;
	if (names->count > 0)
		qsort(names->all, names->count, sizeof(*names->all), compare);
	return directory.length < 0 ? -1 : 0;
}

static void describe(struct entry *entry, uint8_t kind, const struct stat *st)
{
	entry->link[0] = '\0';
	entry->h = (struct entry_header){
		.kind = kind,
		.links = (uint16_t)(st->st_nlink > UINT16_MAX ? UINT16_MAX : st->st_nlink),
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.rdev_major = major(st->st_rdev),
		.rdev_minor = minor(st->st_rdev),
		.size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0,
		.mtime = st->st_mtim.tv_sec,
		.mtime_nsec = (uint32_t)st->st_mtim.tv_nsec,
		.blocks = (uint64_t)st->st_blocks,
		.index = entry->h.index + 1,
	};
}

static int write_entry(struct source *source, struct failure *reterr)
{
	return stream_write_entry(source->stream, source->entry, reterr);
}

static int pack_file(struct source *source, int parent, const char *name, struct failure *reterr)
{
	struct entry *entry = source->entry;
	/* O_NONBLOCK: it may have become a FIFO. */
	cleanup_fd int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return FAIL_ENTRY(entry, "openat", reterr);
	if (!S_ISREG(st.st_mode)) {
		errno = EXDEV;
		return FAIL_ENTRY(entry, "openat", reterr);
	}
	describe(entry, ENTRY_FILE, &st);
	if (xattrs_get(fd, entry) < 0)
		return FAIL_ENTRY(entry, "fgetxattr", reterr);
	entry->h.flags = source->options.metadata ? ENTRY_NO_DATA : 0;
	if (write_entry(source, reterr) < 0)
		return -1;
	return source->options.metadata ? 0 : stream_write_data(source->stream, fd, reterr);
}

static int pack_special(
	struct source *source, int parent, const char *name, const struct stat *st, struct failure *reterr)
{
	struct entry *entry = source->entry;
	ssize_t length;

	if (S_ISSOCK(st->st_mode))
		return 0; /* tar has no sockets */
	if (S_ISCHR(st->st_mode) && st->st_rdev == 0 && source->options.layer_form)
		describe(entry, ENTRY_WHITEOUT, st);
	else if (S_ISLNK(st->st_mode))
		describe(entry, ENTRY_SYMLINK, st);
	else
		describe(entry,
			S_ISCHR(st->st_mode)   ? ENTRY_CHARACTER
			: S_ISBLK(st->st_mode) ? ENTRY_BLOCK
					       : ENTRY_FIFO,
			st);
	if (S_ISLNK(st->st_mode)) {
		length = readlinkat(parent, name, entry->link, sizeof(entry->link) - 1);
		if (length < 0)
			return FAIL_ENTRY(entry, "readlinkat", reterr);
		entry->link[length] = '\0';
	}
	return write_entry(source, reterr);
}

static int pack_directory_entry(struct source *source, int fd, struct failure *reterr)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return FAIL_ENTRY(source->entry, "fstat", reterr);
	describe(source->entry, ENTRY_DIRECTORY, &st);
	if (source->options.layer_form && xattr_is_opaque(fd))
		source->entry->h.flags = ENTRY_OPAQUE;
	if (xattrs_get(fd, source->entry) < 0)
		return FAIL_ENTRY(source->entry, "fgetxattr", reterr);
	return write_entry(source, reterr);
}

/* Not a directory. A second name of a file is a link to the first one. */
static int pack_leaf(struct source *source, int parent, const char *name, const struct stat *st, struct failure *reterr)
{
	struct entry *entry = source->entry;
	const char *first = NULL;
	bool whiteout = source->options.layer_form && S_ISCHR(st->st_mode) && st->st_rdev == 0;

	if (st->st_nlink > 1 && !S_ISSOCK(st->st_mode) && !whiteout) {
		if (hardlinks_first(&source->links, st, entry->path, &first) < 0)
			return FAIL_ENTRY(entry, "malloc", reterr);
		if (first != NULL) {
			describe(entry, ENTRY_HARDLINK, st);
			memcpy(entry->link, first, strlen(first) + 1);
			return write_entry(source, reterr);
		}
	}
	if (S_ISREG(st->st_mode))
		return pack_file(source, parent, name, reterr);
	return pack_special(source, parent, name, st, reterr);
}

static int pack_content(struct source *source, int fd, struct failure *reterr);

static int pack_name(struct source *source, int parent, const char *name, struct failure *reterr)
{
	struct stat st;
	cleanup_fd int fd = -1;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		/* A container that runs may have removed it meanwhile. */
		return errno == ENOENT ? 0 : FAIL_ENTRY(source->entry, "fstatat", reterr);
	if (!S_ISDIR(st.st_mode))
		return pack_leaf(source, parent, name, &st, reterr);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return FAIL_ENTRY(source->entry, "openat", reterr);
	if (pack_directory_entry(source, fd, reterr) < 0)
		return -1;
	return pack_content(source, fd, reterr);
}

/* entry->path is the directory's; each name is put behind it for a while. */
static int pack_content(struct source *source, int fd, struct failure *reterr)
{
	__attribute__((cleanup(free_names))) struct names names = { 0 };
	char *path = source->entry->path;
	size_t length = strcmp(path, ".") == 0 ? 0 : strlen(path);

	if (read_names(fd, &names) < 0)
		return FAIL_ENTRY(source->entry, "getdents64", reterr);
	for (size_t i = 0; i < names.count; i++) {
		size_t more = strlen(names.all[i]);
		size_t slash = length == 0 ? 0 : 1;

		if (length + slash + more >= PATH_MAX) {
			errno = ENAMETOOLONG;
			return FAIL_ENTRY(source->entry, "openat", reterr);
		}
		path[length] = '/';
		memcpy(path + length + slash, names.all[i], more + 1);
		if (pack_name(source, fd, names.all[i], reterr) < 0)
			return -1;
		path[length] = '\0';
	}
	return 0;
}

static void start(struct source *source, int stream_fd)
{
	static struct stream stream;
	static struct entry entry;
	static unsigned char xattrs[XATTRS_MAX];
	struct rlimit files;

	stream.fd = stream_fd;
	entry.xattrs = xattrs;
	source->stream = &stream;
	source->entry = &entry;
	/* One descriptor a level. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int finish(struct source *source, struct failure *reterr)
{
	source->entry->path[0] = '\0';
	source->entry->link[0] = '\0';
	source->entry->h = (struct entry_header){ .kind = ENTRY_END };
	if (write_entry(source, reterr) < 0)
		return -1;
	return stream_flush(source->stream, reterr);
}

int pack(int root_fd, int stream_fd, const struct pack_options *options, struct failure *reterr)
{
	struct source source = { .options = *options };
	cleanup_fd int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	start(&source, stream_fd);
	if (fd < 0)
		return FAIL(reterr, "openat");
	memcpy(source.entry->path, ".", 2);
	if (pack_directory_entry(&source, fd, reterr) < 0 || pack_content(&source, fd, reterr) < 0)
		return -1;
	return finish(&source, reterr);
}

static int pack_path(struct source *source, int root_fd, struct failure *reterr)
{
	const char *name = NULL;
	struct stat st;
	cleanup_fd int parent = saferoot_holder(root_fd, source->entry->path, &name);
	cleanup_fd int fd = -1;

	if (parent < 0 || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : FAIL_ENTRY(source->entry, "openat2", reterr);
	if (!S_ISDIR(st.st_mode))
		return pack_leaf(source, parent, name, &st, reterr);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return FAIL_ENTRY(source->entry, "openat", reterr);
	return pack_directory_entry(source, fd, reterr);
}

int pack_description(int parent, const char *name, const char *path, int stream_fd, struct failure *reterr)
{
	struct source source = { .options = { .metadata = true } };
	struct stat st;

	start(&source, stream_fd);
	if (strlen(path) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return FAIL(reterr, "fstatat");
	}
	memcpy(source.entry->path, path, strlen(path) + 1);
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return FAIL_ENTRY(source.entry, "fstatat", reterr);
	if (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)) {
		describe(source.entry, S_ISDIR(st.st_mode) ? ENTRY_DIRECTORY : ENTRY_FILE, &st);
		source.entry->h.flags = ENTRY_NO_DATA;
		if (write_entry(&source, reterr) < 0)
			return -1;
	} else if (pack_special(&source, parent, name, &st, reterr) < 0) {
		return -1;
	}
	return finish(&source, reterr);
}

int pack_one(int parent, const char *name, int stream_fd, struct failure *reterr)
{
	const struct pack_options options = { 0 };
	struct source source = { 0 };
	struct stat st;
	cleanup_fd int fd = -1;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return FAIL(reterr, "fstatat");
	if (!S_ISDIR(st.st_mode)) {
		start(&source, stream_fd);
		memcpy(source.entry->path, name, strlen(name) + 1);
		return pack_leaf(&source, parent, name, &st, reterr) < 0 ? -1 : finish(&source, reterr);
	}
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? FAIL(reterr, "openat") : pack(fd, stream_fd, &options, reterr);
}

/* The next path of names into path. 1; 0 at the end, -1 with errno. */
static int next_path(FILE *names, char path[PATH_MAX])
{
	size_t length = 0;
	int byte;

	while ((byte = getc_unlocked(names)) > 0) {
		if (length + 1 == PATH_MAX) {
			errno = ENAMETOOLONG;
			return -1;
		}
		path[length++] = (char)byte;
	}
	path[length] = '\0';
	return length > 0 ? 1 : 0;
}

int pack_paths(int root_fd, int names_fd, int stream_fd, struct failure *reterr)
{
	struct source source = { 0 };
	FILE *names = fdopen(names_fd, "r");
	int more;

	if (names == NULL)
		return FAIL(reterr, "fdopen");
	start(&source, stream_fd);
	while ((more = next_path(names, source.entry->path)) > 0)
		if (pack_path(&source, root_fd, reterr) < 0)
			return -1;
	return more < 0 ? FAIL(reterr, "read") : finish(&source, reterr);
}
