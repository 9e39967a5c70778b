/*
 * The probe as a hook, and the helpers on the host's side that Node has no system calls for. Helpers end with
 * the process that started them.
 *   hook LOG LABEL [fail|hang]   appends how it was called to LOG
 *   hold FLAGS                   new namespaces (clone flags, a number); writes the pid of their process, stays
 *   console SOCKET OUT           takes a terminal from a console socket, copies what is written to it to OUT
 *   seccomp SOCKET OUT           takes a seccomp notify descriptor, writes what came to OUT, answers calls with EXFULL
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "probe.h"

static const char *const NAMESPACES[] = { "cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts" };

static void put_namespaces(void)
{
	json_key("ns");
	json_open('{');
	for (unsigned i = 0; i < sizeof(NAMESPACES) / sizeof(NAMESPACES[0]); i++) {
		char path[64], target[64];

		snprintf(path, sizeof(path), "/proc/self/ns/%s", NAMESPACES[i]);
		ssize_t n = readlink(path, target, sizeof(target) - 1);

		target[n < 0 ? 0 : n] = '\0';
		json_pair(NAMESPACES[i], target);
	}
	json_close('}');
}

static void put_list(const char *key, char **texts)
{
	json_key(key);
	json_open('[');
	for (; texts != NULL && *texts != NULL; texts++)
		json_string(*texts);
	json_close(']');
}

int log_call(const char *file, const char *label, char **argv, char **env, const char *input)
{
	int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	char cwd[4096];

	json_begin();
	json_pair("label", label);
	put_list("args", argv);
	put_list("env", env);
	json_pair("stdin", input);
	json_pair("cwd", getcwd(cwd, sizeof(cwd)) != NULL ? cwd : "");
	json_pair_number("marker", access("/inside", F_OK) == 0);
	put_namespaces();
	if (fd < 0)
		return 1;
	json_end(fd);
	close(fd);
	return 0;
}

int hook_main(int argc, char **argv, char **env)
{
	static char input[1 << 16];
	size_t length = 0;
	ssize_t n;

	while (length < sizeof(input) - 1 && (n = read(STDIN_FILENO, input + length, sizeof(input) - 1 - length)) > 0)
		length += (size_t)n;
	if (argc < 4 || log_call(argv[2], argv[3], argv, env, input) != 0)
		return 7;
	if (argc > 4 && strcmp(argv[4], "hang") == 0)
		sleep(20);
	return argc > 4 && strcmp(argv[4], "fail") == 0 ? 3 : 0;
}

static int say(long long pid)
{
	json_begin();
	json_pair_number("pid", pid);
	json_end(STDOUT_FILENO);
	return 0;
}

/* pid and time namespaces are those of the next child: unshare(2). */
int host_hold(int argc, char **argv)
{
	pid_t pid;

	if (argc < 3 || unshare((int)strtol(argv[2], NULL, 0)) < 0)
		return 1;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pid = fork();
	if (pid < 0)
		return 1;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	say(pid);
	for (;;)
		pause();
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0)
		return -1;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	say(getpid());
	return fd;
}

/* Reads one message; returns its length, and the descriptors that came with it. */
static ssize_t receive(int socket, char *text, size_t size, int *ret_fd, int *ret_count)
{
	char control[256];
	struct iovec part = { .iov_base = text, .iov_len = size };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);

	for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); n >= 0 && head != NULL; head = CMSG_NXTHDR(&message, head)) {
		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(ret_fd, CMSG_DATA(head), sizeof(*ret_fd));
		*ret_count += (int)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	}
	return n;
}

int host_console(int argc, char **argv)
{
	int listener = argc > 3 ? listen_at(argv[2]) : -1;
	int out = argc > 3 ? open(argv[3], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
	int connection = accept(listener, NULL, NULL);
	int terminal = -1, count = 0;
	char text[65536];
	ssize_t n;

	if (receive(connection, text, sizeof(text), &terminal, &count) < 0 || terminal < 0)
		return 1;
	/* EIO: nobody has the other end open any more. */
	while ((n = read(terminal, text, sizeof(text))) > 0)
		if (write(out, text, (size_t)n) != n)
			return 1;
	return 0;
}

/* Answers until the filter's last process is gone. */
static void answer_calls(int notify)
{
	for (;;) {
		struct seccomp_notif call = { 0 };
		struct seccomp_notif_resp reply = { 0 };

		if (ioctl(notify, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
			return;
		reply.id = call.id;
		reply.error = -EXFULL;
		if (ioctl(notify, SECCOMP_IOCTL_NOTIF_SEND, &reply) < 0 && errno != ENOENT)
			return;
	}
}

int host_seccomp(int argc, char **argv)
{
	int listener = argc > 3 ? listen_at(argv[2]) : -1;
	int out = argc > 3 ? open(argv[3], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
	int connection = accept(listener, NULL, NULL);
	static char text[65536];
	size_t length = 0;
	int notify = -1, count = 0, first = 0;
	ssize_t n;

	while ((n = receive(connection, text + length, sizeof(text) - 1 - length, &notify, &count)) > 0) {
		if (length == 0)
			first = count;
		length += (size_t)n;
	}
	json_begin();
	json_pair("payload", text);
	json_pair_number("descriptors", count);
	json_pair_number("descriptorsInFirst", first);
	json_pair_number("closed", n == 0);
	json_end(out);
	answer_calls(notify);
	return 0;
}
