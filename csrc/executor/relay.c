/* NOTIFY_SOCKET: see relay.h. */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "unixsocket.h"

#define BARRIER_MS   30000
#define DATAGRAM_MAX 4096

int relay_bind(struct context *ctx, int socket_fd, struct failure *reterr)
{
	cleanup_fd int directory =
		openat(ctx->state_fd, NOTIFY_DIRECTORY_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (directory < 0)
		return errno == ENOENT ? 1 : FAIL(reterr, "openat");
	if (unix_bind(socket_fd, directory, NOTIFY_SOCKET_NAME) < 0)
		return FAIL(reterr, "bind");
	/* Whoever the program runs as. */
	if (fchmodat(directory, NOTIFY_SOCKET_NAME, 0777, 0) < 0)
		return FAIL(reterr, "fchmodat");
	return 0;
}

/* The manager closes the descriptor when it has taken all that came before. */
static void barrier(int manager)
{
	struct pollfd ended = { .fd = -1 };
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return;
	ended.fd = pair[0];
	if (unix_send_fd(manager, pair[1], "BARRIER=1", strlen("BARRIER=1")) == 0) {
		close_fd(&pair[1]);
		(void)poll(&ended, 1, BARRIER_MS);
	}
	close_fd(&pair[0]);
	close_fd(&pair[1]);
}

static void tell(const char *path, const char *ready, size_t length, pid_t pid)
{
	cleanup_fd int manager = unix_connect(SOCK_DGRAM, path, -1);
	char text[32];

	if (manager < 0)
		return;
	(void)send(manager, ready, length, MSG_NOSIGNAL);
	(void)snprintf(text, sizeof(text), "MAINPID=%d\n", pid);
	(void)send(manager, text, strlen(text), MSG_NOSIGNAL);
	barrier(manager);
}

int relay_take(int socket_fd, const char *path, pid_t pid)
{
	char text[DATAGRAM_MAX + 1];
	ssize_t got;

	while ((got = recv(socket_fd, text, DATAGRAM_MAX, MSG_DONTWAIT)) >= 0) {
		const char *line = text;

		text[got] = '\0';
		while (line != NULL && strncmp(line, "READY=", strlen("READY=")) != 0) {
			line = strchr(line, '\n');
			line = line == NULL ? NULL : line + 1;
		}
		if (line == NULL)
			continue;
		/* That line alone: the others are about pids and descriptors that mean something else outside. */
		tell(path, line, strcspn(line, "\n"), pid);
		return 1;
	}
	return 0;
}

int relay_wait(struct context *ctx, int socket_fd, struct failure *reterr)
{
	struct pollfd fds[2] = {
		{ .fd = socket_fd, .events = POLLIN },
		{ .fd = ctx->init_pidfd, .events = POLLIN },
	};

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return FAIL(reterr, "poll");
		if (relay_take(socket_fd, ctx->args->notify_socket, ctx->init_pid) != 0 || fds[1].revents != 0)
			return 0;
	}
}
