/* AF_UNIX sockets: see unixsocket.h. */
#include "unixsocket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "cleanup.h"

/*
 * connect(2) to a stream socket whose queue is full waits for its owner to accept(2): in short turns, so that a signal
 * that asks to stop, which is blocked and shows in signal_fd, is seen.
 */
static int connect_or_stop(int fd, const struct sockaddr_un *address, size_t size, int signal_fd)
{
	const struct timeval turn = { .tv_usec = 100000 };
	const struct timeval for_ever = { 0 };
	struct pollfd stop = { .fd = signal_fd, .events = POLLIN };
	int result;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &turn, sizeof(turn)) < 0)
		return -1;
	do {
		result = connect(fd, (const struct sockaddr *)address, (socklen_t)size);
		if (result < 0 && errno != EAGAIN)
			return -1;
		if (result < 0 && poll(&stop, 1, 0) > 0) {
			errno = EINTR;
			return -1;
		}
	} while (result < 0);
	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &for_ever, sizeof(for_ever));
}

/* connect(2) below the directory of the path, because sun_path takes only 107 bytes. */
static int connect_in_directory(int fd, const char *path, int signal_fd)
{
	cleanup_fd int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int directory = -1;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *name = strrchr(path, '/') + 1;
	char parent[PATH_MAX];
	int result;

	if (strlen(name) >= sizeof(address.sun_path) || (size_t)(name - path) >= sizeof(parent)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(parent, path, (size_t)(name - path));
	parent[name - path] = '\0';
	memcpy(address.sun_path, name, strlen(name) + 1);
	directory = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (back < 0 || directory < 0 || fchdir(directory) < 0)
		return -1;
	result = connect_or_stop(fd, &address, sizeof(address), signal_fd);
	return fchdir(back) < 0 ? -1 : result;
}

/* No NUL at the end: every byte counts in an abstract name. */
static int connect_abstract(int fd, const char *name, int signal_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(name);

	if (length > sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path + 1, name + 1, length - 1);
	return connect_or_stop(fd, &address, offsetof(struct sockaddr_un, sun_path) + length, signal_fd);
}

int unix_bind(int socket_fd, int directory_fd, const char *name)
{
	cleanup_fd int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int result;

	memcpy(address.sun_path, name, strnlen(name, sizeof(address.sun_path) - 1));
	if (back < 0 || fchdir(directory_fd) < 0)
		return -1;
	(void)unlink(address.sun_path);
	result = bind(socket_fd, (const struct sockaddr *)&address, sizeof(address));
	return fchdir(back) < 0 ? -1 : result;
}

int unix_connect(int type, const char *path, int signal_fd)
{
	cleanup_fd int fd = -1;

	if (path[0] != '/' && path[0] != '@') {
		errno = EINVAL;
		return -1;
	}
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if ((path[0] == '@' ? connect_abstract(fd, path, signal_fd) : connect_in_directory(fd, path, signal_fd)) < 0)
		return -1;
	return steal_fd(&fd);
}

static ssize_t send_some(int socket_fd, const struct msghdr *message)
{
	ssize_t sent;

	do
		sent = sendmsg(socket_fd, message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent;
}

int unix_send_fd(int socket_fd, int fd, const void *bytes, size_t size)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec data = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = size };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t sent;

	control.header = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(int)),
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
	};
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	while ((sent = send_some(socket_fd, &message)) >= 0) {
		message.msg_control = NULL;
		message.msg_controllen = 0;
		data.iov_base = (char *)data.iov_base + sent;
		data.iov_len -= (size_t)sent;
		if (data.iov_len == 0)
			return 0;
	}
	return -1;
}

ssize_t unix_receive_fd(int socket_fd, int flags, int *ret_fd, void *bytes, size_t size)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec data = { .iov_base = bytes, .iov_len = size };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t got = recvmsg(socket_fd, &message, flags | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *rights = got < 0 ? NULL : CMSG_FIRSTHDR(&message);

	*ret_fd = -1;
	if (rights != NULL && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS &&
		rights->cmsg_len == CMSG_LEN(sizeof(*ret_fd)))
		memcpy(ret_fd, CMSG_DATA(rights), sizeof(*ret_fd));
	return got;
}
