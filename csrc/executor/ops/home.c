/*
 * HOME: the home directory of the program's user, out of the container's own /etc/passwd. No NSS: its
 * modules would be the image's code (CVE-2019-14271). The file is the image's too: bounded, and a
 * wrong one only means "/".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../cleanup.h"
#include "../context.h"
#include "../io.h"
#include "../saferoot.h"

#define PASSWD_MAX     (10 * 1024 * 1024)
#define LINE_MAX_BYTES 8192

struct reader {
	int fd;
	size_t used;   /* of buffer, by the line given last */
	size_t length; /* of buffer */
	size_t total;
	char buffer[LINE_MAX_BYTES];
};

static int open_passwd(const struct context *ctx)
{
	cleanup_fd int root = -1;
	cleanup_fd int fd = -1;
	struct stat st;

	/* exec joins a container that has its root already. */
	if (ctx->rootfs_fd < 0)
		root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = saferoot_open(ctx->rootfs_fd < 0 ? root : ctx->rootfs_fd, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > PASSWD_MAX)
		return -1;
	return steal_fd(&fd);
}

static void refill(struct reader *reader)
{
	ssize_t got;

	reader->length -= reader->used;
	memmove(reader->buffer, reader->buffer + reader->used, reader->length);
	reader->used = 0;
	if (memchr(reader->buffer, '\n', reader->length) != NULL)
		return;
	got = read_upto(reader->fd, reader->buffer + reader->length, sizeof(reader->buffer) - reader->length);
	if (got > 0)
		reader->length += (size_t)got;
}

/* The next line, terminated; NULL at the end. No user has one as long as the buffer: such a line is left out. */
static char *next_line(struct reader *reader)
{
	bool whole = true;

	for (;;) {
		char *end;

		refill(reader);
		if (reader->length == 0 || reader->total > PASSWD_MAX)
			return NULL;
		end = memchr(reader->buffer, '\n', reader->length);
		reader->used = end == NULL ? reader->length : (size_t)(end - reader->buffer) + 1;
		reader->total += reader->used;
		/* The last line may lack its newline; one that fills the buffer goes on beyond it. */
		if (end == NULL && reader->length < sizeof(reader->buffer))
			end = reader->buffer + reader->length;
		if (end != NULL && whole) {
			*end = '\0';
			return reader->buffer;
		}
		whole = end != NULL;
	}
}

/* Cuts the first field off: "a:b:c" gives "a" and leaves "b:c". NULL when there is none. */
static char *take_field(char **rest)
{
	char *field = *rest;
	char *end;

	if (field == NULL)
		return NULL;
	end = strchr(field, ':');
	*rest = end == NULL ? NULL : end + 1;
	if (end != NULL)
		*end = '\0';
	return field;
}

/* name:password:uid:gid:comment:home:shell. The home, or NULL when it is another user's line. */
static const char *home_of(char *line, uint32_t uid)
{
	const char *fields[6];
	unsigned long number;
	char *end;

	for (unsigned int i = 0; i < 6; i++) {
		fields[i] = take_field(&line);
		if (fields[i] == NULL)
			return NULL;
	}
	errno = 0;
	number = strtoul(fields[2], &end, 10);
	if (errno != 0 || fields[2][0] < '0' || fields[2][0] > '9' || *end != '\0' || number != uid)
		return NULL;
	return fields[5];
}

static void set_home(struct context *ctx, const char *home)
{
	const size_t prefix = strlen("HOME=");
	size_t length = strlen(home);

	if (home[0] != '/' || length > HOME_MAX) {
		home = "/";
		length = 1;
	}
	memcpy(ctx->home, "HOME=", prefix);
	memcpy(ctx->home + prefix, home, length + 1);
}

int op_home(struct context *ctx, const struct op_home *op, struct failure *reterr)
{
	cleanup_fd int fd = open_passwd(ctx);
	struct reader reader = { .fd = fd };
	const char *home = NULL;
	char *line;

	(void)reterr;
	while (fd >= 0 && home == NULL && (line = next_line(&reader)) != NULL)
		home = home_of(line, op->uid);
	set_home(ctx, home == NULL ? "/" : home);
	return 0;
}
