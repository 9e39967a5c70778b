/*
 * The monitor's loop with a shell in the executor's place: `sh -c SCRIPT --pid-file PATH` leaves a program behind and
 * writes its pid, as the executor does.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop.h"
#include "signals.h"
#include "tap.h"
#include "unixsocket.h"

static char directory[] = "/tmp/tsrun-test-XXXXXX";
static char path[128];

static int listen_here(void)
{
	int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (unix_bind(fd, dir, "socket") < 0 || listen(fd, 8) < 0)
		exit(1);
	(void)close(dir);
	return fd;
}

_Noreturn static void be_monitor(const struct options *options, int report)
{
	static struct loop loop;
	sigset_t all = signals_all();

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	loop.options = options;
	loop.listener = listen_here();
	if (log_open(&loop.log, options) < 0 || loop_prepare(&loop) < 0 || program_create(options, &loop.program) != 0)
		_exit(1);
	(void)!write(report, "!", 1);
	(void)close(report);
	loop_run(&loop);
	_exit(0);
}

/* The program of a script that runs in the background with our streams. */
static pid_t start(const char *program, struct options options)
{
	static char script[1024];
	char *command[] = { "/bin/sh", "-c", script, NULL };
	char report[32] = { 0 };
	int ends[2];
	pid_t pid;

	/* It begins when the shell is gone, as a container does: one that ends before would be the shell's to wait for.
	 */
	(void)snprintf(script, sizeof(script),
		"exec 3<&0; (while [ -e /proc/$$ ]; do sleep 0.01; done; %s) <&3 3<&- & echo $! >\"$1\"", program);
	if (pipe2(ends, O_CLOEXEC) < 0)
		exit(1);
	options.directory = directory;
	options.command = command;
	pid = fork();
	if (pid == 0)
		be_monitor(&options, ends[1]);
	(void)close(ends[1]);
	while (read(ends[0], report, sizeof(report) - 1) > 0)
		;
	(void)close(ends[0]);
	OK(report[0] == '!', "program_create waits for the executor");
	return pid;
}

static int greet(char kind, uint8_t flags)
{
	const uint8_t hello[CLIENT_HELLO] = { (uint8_t)kind, flags };
	char answer = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/socket", directory);
	fd = unix_connect(SOCK_STREAM, path, -1);
	if (fd < 0 || write(fd, hello, sizeof(hello)) != (ssize_t)sizeof(hello) || read(fd, &answer, 1) != 1)
		return -1;
	return answer == kind ? fd : -1;
}

/* All there is to come. */
static size_t read_all(int fd, char *buffer, size_t size)
{
	size_t length = 0;
	ssize_t got;

	while (length < size && (got = read(fd, buffer + length, size - length)) > 0)
		length += (size_t)got;
	return length;
}

static bool ended(pid_t pid)
{
	int status = 1;

	return waitpid(pid, &status, 0) == pid && status == 0;
}

static char text[4 << 20];

static void test_attach(void)
{
	pid_t pid = start(
		"sleep 0.2; cat; echo over >&2; exit 3", (struct options){ .open_stdin = true, .stdin_once = true });
	int watch = greet('W', 0);
	int fd = greet('A', CLIENT_STDIN | CLIENT_STDOUT | CLIENT_STDERR | CLIENT_FRAMED);
	int raw = greet('A', CLIENT_STDOUT);
	size_t length;

	OK(watch >= 0 && fd >= 0 && raw >= 0, "clients are answered");
	(void)!write(fd, "in", 2);
	(void)shutdown(fd, SHUT_WR);
	length = read_all(fd, text, sizeof(text));
	OK(length == 23 && memcmp(text, "\1\0\0\0\0\0\0\2in\2\0\0\0\0\0\0\5over\n", 23) == 0,
		"input reaches the program, its end too, and output comes back in frames after it");
	length = read_all(raw, text, sizeof(text));
	OK(length == 2 && memcmp(text, "in", 2) == 0, "another client gets the stream that it wanted, without frames");
	length = read_all(watch, text, sizeof(text) - 1);
	text[length] = '\0';
	OK(strstr(text, "\"exitCode\":3,\"finished\":\"2") != NULL, "who waits is told how the program ended");
	OK(ended(pid), "the monitor ends");
	(void)snprintf(path, sizeof(path), "%s/exit", directory);
	OK(access(path, R_OK) == 0, "the exit record is on the disk");
}

static void test_stdin_open(void)
{
	pid_t pid = start("head -n 2 | tr a-z A-Z", (struct options){ .open_stdin = true });
	int first = greet('A', CLIENT_STDIN);
	int second;

	(void)!write(first, "one\n", 4);
	(void)close(first);
	second = greet('A', CLIENT_STDIN | CLIENT_STDOUT);
	(void)!write(second, "two\n", 4);
	OK(read_all(second, text, sizeof(text)) == 8 && memcmp(text, "ONE\nTWO\n", 8) == 0,
		"without StdinOnce the input stays open from one client to the next");
	OK(ended(pid), "the monitor ends");
}

static void test_slow(void)
{
	pid_t pid = start("sleep 0.2; head -c 3000000 /dev/zero", (struct options){ 0 });
	int lazy = greet('A', CLIENT_STDOUT);
	int keen = greet('A', CLIENT_STDOUT | CLIENT_HOLD);
	size_t got;

	OK(read_all(keen, text, sizeof(text)) == 3000000,
		"a reader that the program waits for gets all, whatever another does");
	got = read_all(lazy, text, sizeof(text));
	OK(got > 0 && got < 3000000, "a reader that does not read is dropped, with a bounded queue");
	OK(ended(pid), "the monitor ends");
}

static void test_pipeline(void)
{
	pid_t pid = start("sleep 0.2; head -c 3000000 /dev/zero", (struct options){ 0 });
	int fd = greet('A', CLIENT_STDOUT | CLIENT_HOLD);

	(void)usleep(700000);
	OK(read_all(fd, text, sizeof(text)) == 3000000,
		"the program waits for a reader that was there from the beginning");
	OK(ended(pid), "the monitor ends");
}

static void test_late_reader(void)
{
	pid_t pid = start("sleep 0.2; head -c 3000000 /dev/zero & sleep 0.3", (struct options){ 0 });
	int fd = greet('A', CLIENT_STDOUT | CLIENT_HOLD);

	(void)usleep((DRAIN_MS + 1000) * 1000);
	OK(read_all(fd, text, sizeof(text)) == 3000000, "and what it has left does, when it has ended");
	OK(ended(pid), "the monitor ends");
}

static void test_await(void)
{
	pid_t pid = start("echo early", (struct options){ .await_client = true });
	int fd;

	(void)usleep(300000);
	fd = greet('A', CLIENT_STDOUT);
	OK(read_all(fd, text, sizeof(text)) == 6 && memcmp(text, "early\n", 6) == 0,
		"output of a program that has ended waits for the client that was announced");
	OK(ended(pid), "the monitor ends");
}

static void test_kill(void)
{
	pid_t pid = start("exec sleep 60", (struct options){ 0 });
	int watch = greet('W', 0);
	size_t length;

	(void)close(greet('K', SIGKILL));
	length = read_all(watch, text, sizeof(text) - 1);
	text[length] = '\0';
	OK(strstr(text, "\"exitCode\":137,\"signal\":9,") != NULL, "a program can be killed without its number");
	OK(ended(pid), "the monitor ends");
}

static void test_bad_clients(void)
{
	pid_t pid = start("sleep 0.5", (struct options){ 0 });
	char byte;
	int fd = greet('X', 0);

	OK(fd < 0, "an unknown question is no answer worth");
	(void)snprintf(path, sizeof(path), "%s/socket", directory);
	fd = unix_connect(SOCK_STREAM, path, -1);
	(void)!write(fd, "W", 1);
	OK(ended(pid), "a client that never says all does not keep the monitor");
	OK(read(fd, &byte, 1) == 0, "and is closed");
}

int main(void)
{
	if (mkdtemp(directory) == NULL)
		return 1;
	(void)alarm(60);
	test_attach();
	test_stdin_open();
	test_slow();
	test_pipeline();
	test_late_reader();
	test_await();
	test_kill();
	test_bad_clients();
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(
			path, sizeof(path), "%s/%s", directory, ((const char *[]){ "socket", "exit", "pid" })[i]);
		(void)unlink(path);
	}
	return rmdir(directory) == 0 ? tap_done() : 1;
}
