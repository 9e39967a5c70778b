/* The program: see program.h. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"
#include "timestamp.h"
#include "unixsocket.h"

#define MAX_ARGUMENTS 128

/* What the executor gets as 0, 1 and 2, and as the socket that the terminal's master comes over. */
struct ends {
	int standard[3];
	int console[2];
};

static int make_pipe(int *ret_read, int *ret_write)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -1;
	*ret_read = pair[0];
	*ret_write = pair[1];
	return 0;
}

static int make_ends(const struct options *options, struct program *program, struct ends *ends)
{
	for (int i = 0; i < 3; i++)
		ends->standard[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
	ends->console[0] = -1;
	ends->console[1] = -1;
	if (options->terminal)
		return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->console);
	for (int i = 0; i < 2; i++) {
		close_fd(&ends->standard[i + 1]);
		if (make_pipe(&program->output[i], &ends->standard[i + 1]) < 0)
			return -1;
	}
	if (!options->open_stdin)
		return 0;
	close_fd(&ends->standard[0]);
	return make_pipe(&ends->standard[0], &program->input);
}

static void close_ends(struct ends *ends)
{
	for (int i = 0; i < 3; i++)
		close_fd(&ends->standard[i]);
	close_fd(&ends->console[0]);
	close_fd(&ends->console[1]);
}

_Noreturn static void become_executor(const struct options *options, const struct ends *ends)
{
	char *argv[MAX_ARGUMENTS + 6];
	char pid_file[PATH_MAX];
	char console[16];
	sigset_t none;
	size_t count = 0;

	while (options->command[count] != NULL && count < MAX_ARGUMENTS) {
		argv[count] = options->command[count];
		count++;
	}
	(void)snprintf(pid_file, sizeof(pid_file), "%s/pid", options->directory);
	argv[count++] = "--pid-file";
	argv[count++] = pid_file;
	if (options->terminal) {
		(void)snprintf(console, sizeof(console), "%d", ends->console[1]);
		argv[count++] = "--console-fd";
		argv[count++] = console;
		argv[count++] = "--onlcr"; /* a client of the daemon sets its terminal raw */
		(void)fcntl(ends->console[1], F_SETFD, 0);
	}
	argv[count] = NULL;
	for (int i = 0; i < 3; i++)
		(void)dup2(ends->standard[i], i);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)execve(argv[0], argv, (char *[]){ NULL });
	_exit(127);
}

/* Two descriptors, as input may be closed before output. */
static int take_terminal(struct program *program, int socket_fd)
{
	char name[256];

	if (unix_receive_fd(socket_fd, MSG_DONTWAIT, &program->output[0], name, sizeof(name)) < 0 ||
		program->output[0] < 0)
		return -1;
	program->input = fcntl(program->output[0], F_DUPFD_CLOEXEC, 3);
	return program->input < 0 ? -1 : 0;
}

static int set_nonblocking(const struct program *program)
{
	const int fds[] = { program->input, program->output[0], program->output[1] };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0 && fcntl(fds[i], F_SETFL, O_RDWR | O_NONBLOCK) < 0)
			return -1;
	return 0;
}

static pid_t read_pid(const char *directory)
{
	cleanup_fd int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char text[32];

	return dir < 0 || read_file_at(dir, "pid", text, sizeof(text)) <= 0 ? -1 : (pid_t)atoi(text);
}

static int wait_for_executor(pid_t executor)
{
	int status = 0;

	while (waitpid(executor, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int program_create(const struct options *options, struct program *ret_program)
{
	struct ends ends;
	pid_t executor;
	int status = 1;

	*ret_program = (struct program){ .input = -1, .output = { -1, -1 }, .pid = -1 };
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (make_ends(options, ret_program, &ends) < 0)
		return 1;
	executor = fork();
	if (executor == 0)
		become_executor(options, &ends);
	if (executor > 0)
		status = wait_for_executor(executor);
	if (status == 0)
		ret_program->pid = read_pid(options->directory);
	if (ret_program->pid > 0 && options->terminal && take_terminal(ret_program, ends.console[0]) < 0)
		status = 1;
	close_ends(&ends);
	if (set_nonblocking(ret_program) < 0)
		status = 1;
	return ret_program->pid > 0 ? status : status == 0 ? 1 : status;
}

void program_reap(struct program *program)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != program->pid)
			continue;
		program->ended = true;
		program->status = status;
	}
}

void program_kill(const struct program *program, int signal)
{
	if (!program->ended)
		(void)kill(program->pid, signal);
}

int program_resize(const struct program *program, unsigned short rows, unsigned short columns)
{
	const struct winsize size = { .ws_row = rows, .ws_col = columns };

	return ioctl(program->output[0], TIOCSWINSZ, &size) < 0 ? errno : 0;
}

/* A reader sees no file or a whole one. */
static void write_whole(const char *directory, const char *name, const char *text, size_t length)
{
	cleanup_fd int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int fd = openat(dir, ".exit", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0 && write_all(fd, text, length) == 0)
		(void)renameat(dir, ".exit", dir, name);
}

size_t program_record(const struct program *program, const char *directory, uint64_t lost, char *ret_text, size_t size)
{
	const bool killed = WIFSIGNALED(program->status);
	char finished[TIMESTAMP_SIZE];
	char signal[32] = "";
	char lost_text[48] = "";
	int length;

	(void)timestamp_format(timestamp_now(), finished);
	if (killed)
		(void)snprintf(signal, sizeof(signal), "\"signal\":%d,", WTERMSIG(program->status));
	if (lost > 0)
		(void)snprintf(lost_text, sizeof(lost_text), "\"lost\":%llu,", (unsigned long long)lost);
	length = snprintf(ret_text, size, "{\"pid\":%d,\"exitCode\":%d,%s%s\"finished\":\"%s\"}\n", program->pid,
		killed ? 128 + WTERMSIG(program->status) : WEXITSTATUS(program->status), signal, lost_text, finished);
	write_whole(directory, "exit", ret_text, (size_t)length);
	return (size_t)length;
}
