/* A file that a log goes to: see logfile.h. */
#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
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

/*
 * The directory of the files, locked for those who change their names and those who open them all. Who finds it locked
 * must not wait, as the program would. -1 with EWOULDBLOCK, or errno where there are no locks: then nobody else has
 * one.
 */
static int lock_names(const struct logfile *file)
{
	char directory[PATH_MAX];
	cleanup_fd int fd = -1;

	(void)snprintf(directory, sizeof(directory), "%s", file->path);
	fd = open(dirname(directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -1;
	return steal_fd(&fd);
}

static const char *name_of(const struct logfile *file, unsigned int number, const char *suffix, char name[PATH_MAX])
{
	(void)snprintf(name, PATH_MAX, number == 0 ? "%s" : "%s.%u%s", file->path, number, suffix);
	return name;
}

/* A rename that fails leaves the old file in use, which is then too long: better than a lost log. */
static void rotate(struct logfile *file)
{
	static const char *const SUFFIXES[] = { "", ".gz" };
	char from[PATH_MAX];
	char to[PATH_MAX];
	cleanup_fd int lock = -1;

	if (file->max_files <= 1) {
		if (ftruncate(file->fd, 0) == 0)
			file->size = 0;
		return;
	}
	lock = lock_names(file);
	if (lock < 0 && errno == EWOULDBLOCK)
		return; /* with the next entry */
	for (size_t i = 0; i < 2; i++)
		(void)unlink(name_of(file, file->max_files - 1, SUFFIXES[i], to));
	for (unsigned int number = file->max_files - 1; number > 1; number--)
		for (size_t i = 0; i < 2; i++)
			(void)rename(
				name_of(file, number - 1, SUFFIXES[i], from), name_of(file, number, SUFFIXES[i], to));
	(void)rename(file->path, name_of(file, 1, "", to));
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

bool logfile_is_full(const struct logfile *file, size_t size)
{
	return file->max_size > 0 && file->size + size > file->max_size;
}

int logfile_append(struct logfile *file, const void *bytes, size_t size, uint64_t count)
{
	if (file->fd < 0 && open_again(file) < 0)
		return fail(file, count);
	if (file->size > 0 && logfile_is_full(file, size))
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
