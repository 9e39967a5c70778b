/* A file that a log goes to: see logfile.h. */
#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"

static int open_again(struct logfile *file)
{
	struct stat status;

	file->fd = open(file->path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (file->fd < 0)
		return -1;
	if (fstat(file->fd, &status) < 0) {
		close_fd(&file->fd);
		return -1;
	}
	file->size = (uint64_t)status.st_size;
	return 0;
}

int logfile_open(struct logfile *file, const char *path, uint64_t max_size, unsigned int max_files)
{
	*file = (struct logfile){ .path = path, .max_size = max_size, .max_files = max_files, .fd = -1 };
	return open_again(file);
}

void logfile_close(struct logfile *file)
{
	close_fd(&file->fd);
}

/* A rename that fails leaves the old file in use, which is then too long: better than a lost log. */
static void rotate(struct logfile *file)
{
	char from[PATH_MAX];
	char to[PATH_MAX];

	if (file->max_files <= 1) {
		if (ftruncate(file->fd, 0) == 0)
			file->size = 0;
		return;
	}
	for (unsigned int number = file->max_files - 1; number > 0; number--) {
		(void)snprintf(to, sizeof(to), "%s.%u", file->path, number);
		(void)snprintf(from, sizeof(from), number == 1 ? "%s" : "%s.%u", file->path, number - 1);
		(void)rename(from, to);
	}
	close_fd(&file->fd);
	(void)open_again(file);
}

static int fail(struct logfile *file, uint64_t count)
{
	if (file->lost == 0)
		file->error = errno;
	file->lost += count;
	return -1;
}

int logfile_append(struct logfile *file, const void *bytes, size_t size, uint64_t count)
{
	if (file->fd < 0 && open_again(file) < 0)
		return fail(file, count);
	if (file->max_size > 0 && file->size > 0 && file->size + size > file->max_size)
		rotate(file);
	if (file->fd < 0)
		return fail(file, count);
	if (write_all(file->fd, bytes, size) < 0) {
		(void)fail(file, count);
		/* What was written of it would be read as an entry. */
		(void)!ftruncate(file->fd, (off_t)file->size);
		return -1;
	}
	file->size += size;
	return 0;
}
