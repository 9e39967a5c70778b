/*
 * Both ends of sd_notify(3). "sdnotify listen SOCKET LOG" is the manager: a line for each datagram, whose descriptor it
 * closes after a moment, as the barrier wants; ends when its input ends. "sdnotify send LINE …" is the service: one
 * datagram of these lines to $NOTIFY_SOCKET.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un address = { .sun_family = AF_UNIX };

static int take(int fd, FILE *out)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	char text[4097];
	struct iovec data = { text, sizeof(text) - 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t got = recvmsg(fd, &message, 0);
	int passed;

	if (got < 0)
		return -1;
	text[got] = '\0';
	for (char *at = text; (at = strchr(at, '\n')) != NULL;)
		*at = ' ';
	if (CMSG_FIRSTHDR(&message) != NULL) {
		memcpy(&passed, CMSG_DATA(&control.header), sizeof(passed));
		usleep(100 * 1000);
		fprintf(out, "%s with a descriptor\n", text);
		fflush(out);
		close(passed);
		return 0;
	}
	fprintf(out, "%s\n", text);
	return fflush(out);
}

static int listen_to(const char *path, const char *log)
{
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .events = POLLIN } };
	FILE *out = fopen(log, "we");

	fds[1].fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (out == NULL || bind(fds[1].fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return 1;
	fprintf(out, "listening\n");
	fflush(out);
	while (poll(fds, 2, -1) > 0 && fds[0].revents == 0)
		if (take(fds[1].fd, out) < 0)
			return 1;
	return 0;
}

static int send_lines(int count, char **lines)
{
	const char *path = getenv("NOTIFY_SOCKET");
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char text[4096] = "";

	if (path == NULL)
		return 2;
	for (int i = 0; i < count; i++) {
		strcat(text, lines[i]);
		strcat(text, "\n");
	}
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&address, sizeof(address)) < 0) {
		perror(path);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "listen") == 0)
		return listen_to(argv[2], argv[3]);
	return argc > 2 && strcmp(argv[1], "send") == 0 ? send_lines(argc - 2, argv + 2) : 2;
}
