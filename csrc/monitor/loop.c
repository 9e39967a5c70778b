/* The monitor's loop: see loop.h. */
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach.h"
#include "cleanup.h"
#include "io.h"
#include "signals.h"

enum { POLL_SIGNALS, POLL_LISTENER, POLL_STDOUT, POLL_STDERR, POLL_STDIN, POLL_CLIENTS };

int loop_prepare(struct loop *loop)
{
	sigset_t all = signals_all();

	for (int i = 0; i < CLIENTS_MAX; i++)
		loop->clients[i].fd = -1;
	loop->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return loop->signals < 0 ? -1 : 0;
}

void loop_forget_caller(const struct loop *loop)
{
	const int keep[] = { loop->listener, loop->signals, loop->program.input, loop->program.output[0],
		loop->program.output[1], loop->log.json ? loop->log.json_file.fd : -1,
		loop->log.local ? loop->log.local_file.fd : -1, loop->log.journal_fd };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		(void)dup2(null, fd);
	close_except(3, keep, sizeof(keep) / sizeof(keep[0]));
}

static void read_output(struct loop *loop, int which)
{
	static char buffer[32768];
	const enum stream stream = which == 0 ? STREAM_STDOUT : STREAM_STDERR;
	ssize_t got = read(loop->program.output[which], buffer, sizeof(buffer));

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* A master says EIO when nobody has the terminal open any more. */
	if (got <= 0) {
		close_fd(&loop->program.output[which]);
		return;
	}
	log_write(&loop->log, stream, buffer, (size_t)got);
	for (int i = 0; i < CLIENTS_MAX; i++)
		client_output(&loop->clients[i], stream, buffer, (size_t)got);
}

static void write_input(struct loop *loop)
{
	ssize_t written = write(loop->program.input, loop->input + loop->input_at, loop->input_length);

	if (written < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (written < 0) {
		/* The program has closed it: what comes is read and forgotten, as no client may wait for ever. */
		close_fd(&loop->program.input);
		loop->input_length = 0;
		return;
	}
	loop->input_at += (size_t)written;
	loop->input_length -= (size_t)written;
	if (loop->input_length == 0 && loop->input_ends)
		close_fd(&loop->program.input);
}

static void take_signals(struct loop *loop)
{
	struct signalfd_siginfo info;

	while (read(loop->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		;
	program_reap(&loop->program);
	if (loop->program.ended && loop->ended == 0)
		loop->ended = client_clock();
}

static bool is_held(struct loop *loop)
{
	bool held = loop->awaited > client_clock();

	for (int i = 0; i < CLIENTS_MAX; i++)
		held |= client_holds(&loop->clients[i]);
	return held;
}

/* All output is in the log: the end can be told. Clients get what is queued for them, and then theirs. */
static void tell_end(struct loop *loop)
{
	char record[256];
	uint64_t lost;
	size_t length;

	loop->recorded = true;
	for (int i = 0; i < 2; i++)
		close_fd(&loop->program.output[i]);
	close_fd(&loop->program.input);
	lost = log_close(&loop->log);
	length = program_record(&loop->program, loop->options->directory, lost, record, sizeof(record));
	close_fd(&loop->listener);
	for (int i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &loop->clients[i];

		if (client->fd < 0)
			continue;
		if (client_is(client, 'W'))
			client_send(client, record, length);
		client->closing = true;
		client_flush(client);
	}
}

static bool is_drained(const struct loop *loop)
{
	if (loop->ended == 0 || loop->awaited > client_clock())
		return false;
	return (loop->program.output[0] < 0 && loop->program.output[1] < 0) || client_clock() - loop->ended > DRAIN_MS;
}

/* What there is to wait for. The timeout in milliseconds. */
static int want(struct loop *loop, struct pollfd fds[POLL_CLIENTS + CLIENTS_MAX])
{
	const bool held = is_held(loop);

	/* Output that waits for a reader is not late. */
	if (held && loop->ended != 0)
		loop->ended = client_clock();
	fds[POLL_SIGNALS] = (struct pollfd){ loop->signals, POLLIN, 0 };
	fds[POLL_LISTENER] = (struct pollfd){ loop->listener, POLLIN, 0 };
	for (int i = 0; i < 2; i++)
		fds[POLL_STDOUT + i] = (struct pollfd){ held ? -1 : loop->program.output[i], POLLIN, 0 };
	fds[POLL_STDIN] = (struct pollfd){ loop->input_length > 0 ? loop->program.input : -1, POLLOUT, 0 };
	for (int i = 0; i < CLIENTS_MAX; i++)
		fds[POLL_CLIENTS + i] = attach_want(loop, &loop->clients[i]);
	if (held)
		return 1000;
	return loop->ended != 0 ? 100 : -1;
}

static bool is_done(struct loop *loop)
{
	if (!loop->recorded)
		return false;
	for (int i = 0; i < CLIENTS_MAX; i++) {
		if (loop->clients[i].fd < 0)
			continue;
		if (client_clock() - loop->clients[i].progress < LINGER_MS)
			return false;
		client_drop(&loop->clients[i]);
	}
	return true;
}

void loop_run(struct loop *loop)
{
	struct pollfd fds[POLL_CLIENTS + CLIENTS_MAX];

	if (loop->options->await_client)
		loop->awaited = client_clock() + AWAIT_MS;
	/* It may have ended while the executor was waited for. */
	take_signals(loop);
	while (!is_done(loop)) {
		if (poll(fds, POLL_CLIENTS + CLIENTS_MAX, want(loop, fds)) < 0 && errno != EINTR)
			return;
		if (fds[POLL_SIGNALS].revents != 0)
			take_signals(loop);
		for (int i = 0; i < 2; i++)
			if (fds[POLL_STDOUT + i].revents != 0)
				read_output(loop, i);
		if (fds[POLL_STDIN].revents != 0)
			write_input(loop);
		for (int i = 0; i < CLIENTS_MAX; i++)
			if (fds[POLL_CLIENTS + i].revents != 0)
				attach_serve(loop, &loop->clients[i], fds[POLL_CLIENTS + i].revents);
		if (fds[POLL_LISTENER].revents != 0)
			attach_accept(loop);
		if (!loop->recorded && is_drained(loop))
			tell_end(loop);
	}
}
