/*
 * A seccomp agent, and any other receiver of descriptors: agent SOCKET LOG. Listens on SOCKET and writes lines to LOG:
 * "state FDS MESSAGES TEXT" for each connection, "pidfd PID" before it when it brought one, "call NUMBER PID" for each
 * notification. mkdir fails with ENOANO, every other call goes on. Ends when its input ends. seccomp_unotify(2).
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define MOST 32

static struct pollfd fds[MOST] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .events = POLLIN } };
static nfds_t count = 2;
static FILE *out;

static void keep(int fd)
{
	if (count < MOST)
		fds[count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static void tell_pidfd(int fd)
{
	char path[64];
	char line[256];
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "re");
	while (info != NULL && fgets(line, sizeof(line), info) != NULL)
		if (strncmp(line, "Pid:", 4) == 0)
			fprintf(out, "pidfd %s", line + 5);
	if (info != NULL)
		fclose(info);
}

/* One connection: everything until its end, which must be one message. */
static void take_state(int connection)
{
	static char text[65536];
	size_t length = 0;
	int received = 0;
	int messages = 0;

	for (;;) {
		union {
			struct cmsghdr header;
			char bytes[CMSG_SPACE(4 * sizeof(int))];
		} control = { .bytes = { 0 } };
		struct iovec data = { text + length, sizeof(text) - 1 - length };
		struct msghdr message = {
			.msg_iov = &data,
			.msg_iovlen = 1,
			.msg_control = control.bytes,
			.msg_controllen = sizeof(control.bytes),
		};
		ssize_t got = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);

		if (got <= 0)
			break;
		length += (size_t)got;
		messages++;
		if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
			size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			for (size_t i = 0; i < n; i++, received++) {
				int fd;
				memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
				tell_pidfd(fd);
				keep(fd);
			}
		}
	}
	text[length] = '\0';
	for (size_t i = 0; i < length; i++)
		if (text[i] == '\n')
			text[i] = ' ';
	fprintf(out, "state %d %d %s\n", received, messages, text);
	fflush(out);
	close(connection);
}

static void answer(int fd)
{
	struct seccomp_notif request = { 0 };
	struct seccomp_notif_resp response = { 0 };

	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
		return;
	fprintf(out, "call %d %u\n", request.data.nr, request.pid);
	fflush(out);
	response.id = request.id;
	response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	if (request.data.nr == SYS_mkdirat
#ifdef SYS_mkdir
		|| request.data.nr == SYS_mkdir
#endif
	) {
		response.flags = 0;
		response.error = -ENOANO;
	}
	(void)ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	out = argc > 2 ? fopen(argv[2], "we") : NULL;
	if (out == NULL || strlen(argv[1]) >= sizeof(address.sun_path))
		return 2;
	strcpy(address.sun_path, argv[1]);
	fds[1].fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fds[1].fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fds[1].fd, 8) < 0)
		return 1;
	fprintf(out, "ready\n");
	fflush(out);
	while (poll(fds, count, -1) > 0 && fds[0].revents == 0) {
		if (fds[1].revents != 0)
			take_state(accept(fds[1].fd, NULL, NULL));
		for (nfds_t i = 2; i < count; i++) {
			if ((fds[i].revents & POLLIN) != 0)
				answer(fds[i].fd);
			else if (fds[i].revents != 0)
				fds[i].fd = -1;
		}
	}
	return 0;
}
