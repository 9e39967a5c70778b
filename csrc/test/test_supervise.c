/* The supervise verb: exit status, signals, orphans, the terminal. */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>

#include "child.h"
#include "sys.h"
#include "tap.h"
#include "verbs.h"

struct run {
	const char *script;
	bool terminal;
	int input; /* becomes stdin and stdout of the supervisor, -1: as they are */
	int output;
	int before; /* milliseconds the program has before the supervisor looks */
};

static void pause_for(int milliseconds)
{
	const struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000L };

	(void)nanosleep(&time, NULL);
}

static int send_master(int master)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec data = { "console", 7 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(rights), &master, sizeof(int));
	return sendmsg(pair[1], &message, 0) < 0 ? -1 : pair[0];
}

static pid_t start_program(const struct run *run, int *ret_console)
{
	int master = -1;
	int slave = -1;
	pid_t pid;

	if (run->terminal && openpty(&master, &slave, NULL, NULL, NULL) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		if (run->terminal) {
			(void)setsid();
			for (int fd = 0; fd < 3; fd++)
				(void)dup2(slave, fd);
			(void)ioctl(0, TIOCSCTTY, 0);
			(void)close(master);
			(void)close(slave);
		}
		execl("/bin/sh", "sh", "-c", run->script, (char *)NULL);
		_exit(126);
	}
	*ret_console = -1;
	if (run->terminal) {
		*ret_console = send_master(master);
		(void)close(master);
		(void)close(slave);
	}
	return pid;
}

/* In a process of its own: what the CLI has become. */
static int supervisor(void *arg)
{
	const struct run *run = arg;
	static struct context ctx;
	struct args args = { .status_fd = -1, .plan_fd = -1, .console_fd = -1 };
	struct failure failure = { 0 };
	int status = 200;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	args.pid = start_program(run, &args.console_fd);
	if (run->input >= 0)
		(void)dup2(run->input, 0);
	if (run->output >= 0)
		(void)dup2(run->output, 1);
	(void)sys_close_range(3, ~0U, args.console_fd < 0 ? 0 : CLOSE_RANGE_CLOEXEC);
	pause_for(run->before);
	context_init(&ctx, &args);
	return verb_supervise(&ctx, &status, &failure) < 0 ? 201 : status;
}

static int supervise(const char *script)
{
	struct run run = { .script = script, .input = -1, .output = -1 };

	return in_child(supervisor, &run);
}

static void test_status(void)
{
	struct run late = { .script = "exit 9", .input = -1, .output = -1, .before = 200 };

	OK(supervise("exit 0") == 0 && supervise("exit 42") == 42, "verb_supervise() ends with the program's status");
	OK(supervise("kill -9 $$") == 128 + 9, "verb_supervise() ends with 128 + n for signal n");
	OK(in_child(supervisor, &late) == 9, "verb_supervise() learns the status of a program that was faster");
	OK(supervise("(sleep 0.1; exit 5) & (exit 6) & exit 7") == 7,
		"verb_supervise() reaps orphans and ends with the program");
}

/* Blocked signals go to its signalfd: from then on the supervisor has none of its own. proc_pid_status(5). */
static bool blocks_signals(pid_t pid)
{
	char path[64];
	char line[256];
	unsigned long long blocked = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "SigBlk: %llx", &blocked) == 1)
			break;
	if (file != NULL)
		(void)fclose(file);
	return (blocked & 1ULL << (SIGTERM - 1)) != 0;
}

/* A supervisor that takes signals, of a program that has its traps and says so on descriptor 9. */
static pid_t start_supervisor(const struct run *run)
{
	char byte;
	int ready[2];
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		(void)dup2(ready[1], 9);
		_exit(supervisor((void *)(uintptr_t)run));
	}
	(void)close(ready[1]);
	(void)!read(ready[0], &byte, 1);
	(void)close(ready[0]);
	while (!blocks_signals(pid) && kill(pid, 0) == 0)
		pause_for(10);
	return pid;
}

static void test_signals(void)
{
	struct run run = {
		.script = "trap 'exit 11' TERM; trap 'exit 12' USR1; trap 'exit 13' WINCH; echo >&9; "
			  "while :; do sleep 0.02; done",
		.input = -1,
		.output = -1,
	};
	const struct {
		int signal;
		int status;
	} CASES[] = { { SIGTERM, 11 }, { SIGUSR1, 12 }, { SIGRTMIN, 128 } };

	for (size_t i = 0; i < 3; i++) {
		pid_t pid = start_supervisor(&run);
		int status = 0;

		(void)kill(pid, SIGWINCH);
		(void)kill(pid, SIGURG);
		(void)kill(pid, SIGPIPE);
		pause_for(100);
		(void)kill(pid, CASES[i].signal);
		(void)waitpid(pid, &status, 0);
		OK(WEXITSTATUS(status) == CASES[i].status + (CASES[i].status == 128 ? SIGRTMIN : 0),
			"verb_supervise() forwards a signal, but not SIGWINCH, SIGURG and SIGPIPE");
	}
}

/* Runs with pipes (or a pty, host) for the supervisor's stdio; what it printed goes to text. */
static int with_terminal(const char *script, const char *input, char *text, size_t size)
{
	struct run run = { .script = script, .terminal = true };
	int in[2];
	int out[2];
	int status = 0;
	size_t length = 0;
	ssize_t got;
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return -1;
	run.input = in[0];
	run.output = out[1];
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)close(in[1]);
		_exit(supervisor(&run));
	}
	(void)close(in[0]);
	(void)close(out[1]);
	(void)!write(in[1], input, strlen(input));
	(void)close(in[1]);
	while ((got = read(out[0], text + length, size - 1 - length)) > 0)
		length += (size_t)got;
	text[length] = '\0';
	(void)close(out[0]);
	(void)waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static void test_terminal(void)
{
	static char text[400000];

	OK(with_terminal("stty -echo; read -r line; echo \"got $line\"; exit 3", "hello\n", text, sizeof(text)) == 3 &&
			strstr(text, "got hello") != NULL,
		"verb_supervise() copies both ways");
	OK(with_terminal("stty -echo; cat; echo end", "one\ntwo", text, sizeof(text)) == 0 &&
			strstr(text, "two") != NULL && strstr(text, "end") != NULL,
		"verb_supervise() turns the end of stdin into an end of file");
	OK(with_terminal(
		   "i=0; while [ $i -lt 5000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done", "",
		   text, sizeof(text)) == 0 &&
			strlen(text) >= 5000 * 41,
		"verb_supervise() loses nothing of what was printed just before the end");
	OK(with_terminal("exec 0<&- 1>&- 2>&-; sleep 0.2; echo back >/dev/tty; exit 4", "", text, sizeof(text)) == 4 &&
			strstr(text, "back") != NULL,
		"verb_supervise() stays when the program closes its terminal for a while");
}

static int closed_stdout(void *arg)
{
	struct run run = { .script =
				   "i=0; while [ $i -lt 3000 ]; do echo 01234567890123456789; i=$((i+1)); done; exit 6",
		.terminal = true,
		.input = -1 };
	int out[2];

	(void)arg;
	if (pipe(out) < 0)
		return 1;
	(void)close(out[0]);
	run.output = out[1];
	return supervisor(&run);
}

/* Until word has been read, or what there is when nothing comes any more. Returns the length. */
static size_t read_until(int fd, const char *word, char *text, size_t length, size_t size)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	while (strstr(text, word) == NULL && length < size - 1 && poll(&wait, 1, 20000) > 0) {
		ssize_t got = read(fd, text + length, size - 1 - length);

		if (got <= 0)
			break;
		length += (size_t)got;
		text[length] = '\0';
	}
	return length;
}

/* The supervisor on a host terminal of its own, whose other end is ours. */
static void test_host_terminal(void)
{
	struct run run = {
		.script = "until [ \"$(stty size)\" = '33 101' ]; do sleep 0.02; done; stty size; while [ \"$(stty "
			  "size)\" = '33 101' ]; do sleep 0.02; done; stty size; "
			  "read -r x; exit 2",
		.terminal = true,
		.input = -1,
		.output = -1,
	};
	struct winsize size = { .ws_row = 33, .ws_col = 101 };
	struct termios before = { 0 }; /* the kernel fills the first part only */
	struct termios during = { 0 };
	struct termios after = { 0 };
	char text[512] = "";
	size_t length = 0;
	int status = 0;
	int master;
	int slave;
	pid_t pid;

	if (openpty(&master, &slave, NULL, NULL, &size) < 0)
		return;
	(void)tcgetattr(slave, &before);
	run.input = run.output = slave;
	pid = fork();
	if (pid == 0) {
		(void)setsid();
		(void)ioctl(slave, TIOCSCTTY, 0);
		_exit(supervisor(&run));
	}
	length = read_until(master, "33 101", text, length, sizeof(text));
	(void)tcgetattr(slave, &during);
	OK(strstr(text, "33 101") != NULL, "verb_supervise() gives the pty the host terminal's size");
	OK((during.c_lflag & (ICANON | ECHO | ISIG)) == 0, "verb_supervise() makes the host terminal raw");
	size.ws_row = 44;
	(void)ioctl(master, TIOCSWINSZ, &size);
	(void)read_until(master, "44 101", text, length, sizeof(text));
	OK(strstr(text, "44 101") != NULL, "verb_supervise() follows a change of size");
	(void)!write(master, "x\r", 2);
	(void)waitpid(pid, &status, 0);
	(void)tcgetattr(slave, &after);
	OK(WEXITSTATUS(status) == 2, "verb_supervise() passes on what is typed");
	OK(memcmp(&before, &after, sizeof(before)) == 0, "verb_supervise() restores the host terminal");
	(void)close(master);
	(void)close(slave);
}

static int not_our_child(void *arg)
{
	static struct context ctx;
	struct args args = { .status_fd = -1, .plan_fd = -1, .console_fd = -1, .pid = getppid() };
	struct failure failure = { 0 };
	int status = 0;

	(void)arg;
	context_init(&ctx, &args);
	return verb_supervise(&ctx, &status, &failure) < 0 && failure.error == ECHILD ? 0 : 1;
}

int main(void)
{
	test_status();
	test_signals();
	test_terminal();
	OK(in_child(closed_stdout, NULL) == 6, "verb_supervise() goes on when nobody reads its stdout");
	test_host_terminal();
	OK(in_child(not_our_child, NULL) == 0, "verb_supervise() refuses a process that is not its child");
	return tap_done();
}
