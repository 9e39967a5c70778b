/*
 * tsrun-monitor: one per container, and per exec, of the daemon. It is the program's parent, holds its standard streams
 * or its terminal, writes its log and, when it has ended, how. So the daemon may be killed and started again: whoever
 * wants to attach comes back to the socket. docs/adr/0015.
 *
 *   daemon ──spawn──▶ stub ──fork──▶ monitor ──fork──▶ executor create … ──▶ init
 *      ◀──exit status──┘◀─────────────┤ subreaper                            │ pipes or pty
 *   connect "socket" ────────────────▶│◀─────────────────────────────────────┘
 *
 * Single-threaded, static. Its environment, directory, cgroup and descriptors are none of the container's.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"
#include "loop.h"
#include "signals.h"
#include "unixsocket.h"

#define EXIT_USAGE 64

static int listen_in(const char *directory)
{
	cleanup_fd int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (dir < 0 || fd < 0 || unix_bind(fd, dir, "socket") < 0 || fchmodat(dir, "socket", 0600, 0) < 0 ||
		listen(fd, CLIENTS_MAX) < 0)
		return -1;
	return steal_fd(&fd);
}

/* The daemon's own, but not the container's: init has set its own by now. proc_pid_oom_score_adj(5). */
static void outlive(void)
{
	(void)write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", "-999");
}

/* For the daemon, as exec/monitor.ts reads it. */
static int fail(const struct options *options, const char *what)
{
	char text[256];
	char path[PATH_MAX];
	cleanup_fd int fd = -1;
	int length = snprintf(text, sizeof(text), "%s: %s\n", what, strerror(errno));

	(void)snprintf(path, sizeof(path), "%s/failure", options->directory);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)write_all(fd, text, (size_t)length);
	return EXIT_FAILURE;
}

/* Whom the daemon waits for: ends when the executor has. In the monitor the end of a pipe. */
static int fork_monitor(void)
{
	unsigned char status = EXIT_FAILURE;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0) {
		close_fd(&ends[0]);
		return ends[1];
	}
	close_fd(&ends[1]);
	while (read(ends[0], &status, 1) < 0 && errno == EINTR)
		;
	_exit(status);
}

static int begin(struct loop *loop, const struct options *options)
{
	loop->options = options;
	if (log_open(&loop->log, options) < 0)
		return fail(options, "log file");
	loop->listener = listen_in(options->directory);
	if (loop->listener < 0)
		return fail(options, "socket");
	if (loop_prepare(loop) < 0)
		return fail(options, "signalfd");
	return program_create(options, &loop->program);
}

int main(int argc, char **argv)
{
	static struct loop loop;
	struct options options;
	sigset_t all = signals_all();
	unsigned char status;
	int stub;

	if (options_parse(argc, argv, &options) < 0)
		return EXIT_USAGE;
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	stub = fork_monitor();
	if (stub < 0)
		return fail(&options, "fork");
	(void)setsid();
	(void)umask(0022);
	status = (unsigned char)begin(&loop, &options);
	(void)!write(stub, &status, 1);
	if (status != 0)
		return status;
	(void)prctl(PR_SET_NAME, "tsrun-monitor");
	(void)!chdir("/");
	loop_forget_caller(&loop);
	outlive();
	loop_run(&loop);
	return 0;
}
