/* Whole reads and writes: see io.h. */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "sys.h"

int write_all(int fd, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size > 0) {
		ssize_t written = write(fd, at, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		at += written;
		size -= (size_t)written;
	}
	return 0;
}

int print_all(const char *text, size_t size)
{
	struct pollfd writable = { .fd = STDOUT_FILENO, .events = POLLOUT };

	while (size > 0) {
		ssize_t written = write(STDOUT_FILENO, text, size);

		if (written < 0 && errno == EAGAIN)
			(void)poll(&writable, 1, -1);
		if (written < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		text += written < 0 ? 0 : written;
		size -= written < 0 ? 0 : (size_t)written;
	}
	return 0;
}

ssize_t read_upto(int fd, void *buffer, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t got = read(fd, (char *)buffer + length, size - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		length += (size_t)got;
	}
	return (ssize_t)length;
}

int write_once(int fd, const char *text)
{
	size_t size = strlen(text);
	ssize_t written;

	do
		written = write(fd, text, size);
	while (written < 0 && errno == EINTR);
	if (written >= 0 && (size_t)written != size) {
		errno = EIO;
		return -1;
	}
	return written < 0 ? -1 : 0;
}

int write_file_at(int dirfd, const char *path, const char *text)
{
	cleanup_fd int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -1 : write_once(fd, text);
}

ssize_t read_file_at(int dirfd, const char *path, char *buffer, size_t size)
{
	cleanup_fd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t length;

	if (fd < 0)
		return -1;
	length = read_upto(fd, buffer, size);
	if (length < 0)
		return -1;
	if ((size_t)length == size) {
		errno = EFBIG;
		return -1;
	}
	buffer[length] = '\0';
	return length;
}

static unsigned int least(unsigned int from, const int *fds, size_t count)
{
	unsigned int found = ~0U;

	for (size_t i = 0; i < count; i++)
		if (fds[i] >= 0 && (unsigned int)fds[i] >= from && (unsigned int)fds[i] < found)
			found = (unsigned int)fds[i];
	return found;
}

void close_except(unsigned int from, const int *fds, size_t count)
{
	for (unsigned int next; (next = least(from, fds, count)) != ~0U; from = next + 1)
		if (next > from)
			(void)sys_close_range(from, next - 1, 0);
	(void)sys_close_range(from, ~0U, 0);
}
