/*
 * MOVE_ROOT: the way into the rootfs where pivot_root(2) cannot work (the host's root is the initramfs):
 * MS_MOVE and chroot(2).
 *
 * chroot leaves the host's mounts in the namespace. A full procfs or sysfs among them is what lets a
 * user namespace inside mount a new, unmasked one (mount_too_revealing() in fs/namespace.c), and
 * a way back to the host's /proc. So each one outside the rootfs is unmounted or covered first.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "../cleanup.h"
#include "../context.h"
#include "../mounting.h"
#include "../procfs.h"
#include "../sys.h"

#define LINE_MAX_BYTES (4 * PATH_MAX)

/* mountinfo, read line by line. */
struct reader {
	int fd;
	size_t start;
	size_t end;
	char buffer[LINE_MAX_BYTES];
};

/* The next line, NUL-terminated in the buffer; NULL at the end of the file or, with *ret_error, on an error. */
static char *next_line(struct reader *reader, bool *ret_error)
{
	*ret_error = false;
	for (;;) {
		char *line = reader->buffer + reader->start;
		char *newline = memchr(line, '\n', reader->end - reader->start);
		ssize_t got;

		if (newline != NULL) {
			*newline = '\0';
			reader->start = (size_t)(newline - reader->buffer) + 1;
			return line;
		}
		memmove(reader->buffer, line, reader->end - reader->start);
		reader->end -= reader->start;
		reader->start = 0;
		got = read(reader->fd, reader->buffer + reader->end, sizeof(reader->buffer) - reader->end);
		if (got <= 0) {
			*ret_error = got < 0 || reader->end > 0;
			return NULL;
		}
		reader->end += (size_t)got;
	}
}

/* "\040" and its like: proc_pid_mountinfo(5). */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; to++) {
		if (from[0] == '\\' && from[1] != '\0' && from[2] != '\0' && from[3] != '\0') {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* "ID parent major:minor root mountpoint options … - type source": its mount point if it is a whole procfs or sysfs. */
static const char *full_mount(char *line, uint64_t *ret_id)
{
	char *field[5] = { NULL };
	char *save = NULL;
	const char *type = strstr(line, " - ");

	if (type == NULL)
		return NULL;
	type += strlen(" - ");
	if (strncmp(type, "proc ", strlen("proc ")) != 0 && strncmp(type, "sysfs ", strlen("sysfs ")) != 0)
		return NULL;
	for (unsigned int i = 0; i < 5; i++) {
		field[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
		if (field[i] == NULL)
			return NULL;
	}
	if (strcmp(field[3], "/") != 0)
		return NULL;
	unescape(field[4]);
	*ret_id = strtoull(field[0], NULL, 10);
	return field[4];
}

/* Is the mount fd is on the rootfs or one below it? 1, 0, or -1 with errno. */
static int is_in_rootfs(const struct context *ctx, int fd)
{
	cleanup_fd int at = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	uint64_t rootfs;
	uint64_t id;
	uint64_t last = 0;
	ino_t last_ino = 0;
	struct stat st;

	if (at < 0 || mount_id(ctx->rootfs_fd, &rootfs) < 0)
		return -1;
	for (;;) {
		int up;

		if (mount_id(at, &id) < 0 || fstat(at, &st) < 0)
			return -1;
		if (id == rootfs)
			return 1;
		if (id == last && st.st_ino == last_ino)
			return 0;
		last = id;
		last_ino = st.st_ino;
		up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			return -1;
		close_fd(&at);
		at = up;
	}
}

/* Unmounts the mount fd is the root of; a locked one is covered by an empty file system. */
static int unmount_or_cover(int fd, struct failure *reterr)
{
	if (fchdir(fd) < 0)
		return FAIL(reterr, "fchdir");
	/* Must not propagate to where this mount came from. */
	if (mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return FAIL(reterr, "mount");
	if (umount2(".", MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		return 0;
	if (errno != EINVAL && errno != EPERM)
		return FAIL(reterr, "umount2");
	if (mount("tmpfs", ".", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "nr_inodes=1") < 0)
		return FAIL(reterr, "mount");
	return 0;
}

/* 1: one mount was dealt with, 0: there is none left. */
static int hide_one(const struct context *ctx, struct failure *reterr)
{
	struct reader reader = { .fd = -1 };
	cleanup_fd int mountinfo = procfs_openat(ctx->proc_fd, "self/mountinfo", O_RDONLY);
	bool error;
	char *line;

	if (mountinfo < 0)
		return FAIL(reterr, "openat2");
	reader.fd = mountinfo;
	while ((line = next_line(&reader, &error)) != NULL) {
		cleanup_fd int fd = -1;
		uint64_t id;
		uint64_t found;
		const char *point = full_mount(line, &id);
		int inside;

		if (point == NULL)
			continue;
		fd = open(point, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		/* Hidden below another mount already. */
		if (fd < 0 || mount_id(fd, &found) < 0 || found != id)
			continue;
		inside = is_in_rootfs(ctx, fd);
		if (inside < 0)
			return FAIL(reterr, "openat");
		if (inside == 0)
			return unmount_or_cover(fd, reterr) < 0 ? -1 : 1;
	}
	return error ? FAIL(reterr, "read") : 0;
}

int op_move_root(struct context *ctx, const struct op_move_root *op, struct failure *reterr)
{
	int result;

	(void)op;
	/* From the start after every change: the list is read whole only while nothing moves. */
	do
		result = hide_one(ctx, reterr);
	while (result > 0);
	if (result < 0)
		return -1;
	if (fchdir(ctx->rootfs_fd) < 0)
		return FAIL(reterr, "fchdir");
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)
		return FAIL(reterr, "mount");
	if (chroot(".") < 0)
		return FAIL(reterr, "chroot");
	if (chdir("/") < 0)
		return FAIL(reterr, "chdir");
	return 0;
}
