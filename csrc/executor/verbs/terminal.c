/* The host's side of a foreground container's terminal: see terminal.h. */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../cleanup.h"
#include "../unixsocket.h"

static int receive_master(int socket, struct failure *reterr)
{
	char name[256];
	int fd;

	if (unix_receive_fd(socket, MSG_DONTWAIT, &fd, name, sizeof(name)) < 0)
		return FAIL(reterr, "recvmsg");
	if (fd >= 0)
		return fd;
	errno = EPROTO;
	return FAIL(reterr, "recvmsg");
}

static void make_raw(struct terminal *terminal)
{
	struct termios mode;
	struct termios container;

	if (tcgetattr(STDIN_FILENO, &terminal->saved) < 0)
		return; /* no terminal: a pipe, a file, /dev/null */
	mode = terminal->saved;
	cfmakeraw(&mode);
	/* Somebody must turn "\n" into "\r\n": us, if the container's pty does not. */
	if (tcgetattr(terminal->master, &container) == 0 && (container.c_oflag & ONLCR) == 0)
		mode.c_oflag |= terminal->saved.c_oflag & OPOST;
	terminal->raw = tcsetattr(STDIN_FILENO, TCSANOW, &mode) == 0;
}

int terminal_open(struct terminal *terminal, int socket, struct failure *reterr)
{
	int flags;

	terminal->raw = false;
	terminal->line_ended = true;
	terminal->eof_sent = false;
	terminal->peer = -1;
	terminal->master = receive_master(socket, reterr);
	if (terminal->master < 0)
		return -1;
	flags = fcntl(terminal->master, F_GETFL);
	if (flags < 0 || fcntl(terminal->master, F_SETFL, flags | O_NONBLOCK) < 0)
		return FAIL(reterr, "fcntl");
	/* By ioctl, as its name means nothing outside the container's devpts. Kernel 4.13. */
	terminal->peer = ioctl(terminal->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	terminal->input.from = STDIN_FILENO;
	terminal->input.to = terminal->master;
	terminal->output.from = terminal->master;
	terminal->output.to = STDOUT_FILENO;
	terminal_resize(terminal);
	make_raw(terminal);
	return 0;
}

void terminal_resize(const struct terminal *terminal)
{
	struct winsize size;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (ioctl(fd, TIOCGWINSZ, &size) < 0)
			continue;
		(void)ioctl(terminal->master, TIOCSWINSZ, &size);
		return;
	}
}

static struct pollfd flow_want(const struct flow *flow)
{
	if (flow->length > 0)
		return (struct pollfd){ .fd = flow->to, .events = POLLOUT };
	return (struct pollfd){ .fd = flow->ended ? -1 : flow->from, .events = POLLIN };
}

void terminal_want(const struct terminal *terminal, struct pollfd fds[TERMINAL_POLL_FDS])
{
	fds[0] = flow_want(&terminal->input);
	fds[1] = flow_want(&terminal->output);
}

static bool is_transient(int error)
{
	return error == EAGAIN || error == EINTR;
}

static void flow_write(struct flow *flow)
{
	ssize_t written = write(flow->to, flow->buffer + flow->at, flow->length);

	if (written < 0 && is_transient(errno))
		return;
	/* The reader is gone (EPIPE): go on reading, or the program would block on a full pty. */
	if (written < 0) {
		flow->to = -1;
		flow->length = 0;
		return;
	}
	flow->at += (size_t)written;
	flow->length -= (size_t)written;
}

static void flow_read(struct flow *flow)
{
	ssize_t got = read(flow->from, flow->buffer, sizeof(flow->buffer));

	if (got < 0 && is_transient(errno))
		return;
	if (got <= 0) {
		flow->ended = true;
		return;
	}
	flow->at = 0;
	flow->length = flow->to < 0 ? 0 : (size_t)got;
}

static void flow_step(struct flow *flow, short revents)
{
	if (revents == 0)
		return;
	if (flow->length > 0)
		flow_write(flow);
	else
		flow_read(flow);
}

/*
 * The end of our stdin becomes the end-of-file character, when the program reads lines; in the middle
 * of a line the first one only ends the line.
 */
static void send_eof(struct terminal *terminal)
{
	struct termios mode;

	terminal->eof_sent = true;
	if (tcgetattr(terminal->master, &mode) < 0 || (mode.c_lflag & ICANON) == 0)
		return;
	memset(terminal->input.buffer, mode.c_cc[VEOF], 2);
	terminal->input.at = 0;
	terminal->input.length = terminal->line_ended ? 1 : 2;
}

void terminal_copy(struct terminal *terminal, const struct pollfd fds[TERMINAL_POLL_FDS])
{
	struct flow *input = &terminal->input;
	bool reading = input->length == 0;

	flow_step(input, fds[0].revents);
	if (reading && input->length > 0)
		terminal->line_ended = input->buffer[input->length - 1] == '\n';
	if (input->ended && input->length == 0 && !terminal->eof_sent)
		send_eof(terminal);
	flow_step(&terminal->output, fds[1].revents);
}

bool terminal_pending(struct terminal *terminal)
{
	/* The kernel moves what was written before the program's end in this very read, if it has not yet. */
	if (terminal->output.length == 0)
		flow_read(&terminal->output);
	return terminal->output.length > 0;
}

void terminal_close(struct terminal *terminal)
{
	if (terminal->raw)
		/* Not TCSADRAIN: a terminal stopped with ^S would hold us, who take no signal any more. */
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &terminal->saved);
	terminal->raw = false;
	close_fd(&terminal->peer);
	close_fd(&terminal->master);
}
