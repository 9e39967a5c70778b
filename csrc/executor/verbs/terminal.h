/* The host's side of a foreground container's terminal: raw mode, window size, copying. pty(7), termios(3). */
#ifndef TSRUN_TERMINAL_H
#define TSRUN_TERMINAL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#include "../failure.h"

#define TERMINAL_POLL_FDS 2
#define FLOW_SIZE	  2048 /* below PIPE_BUF: what poll(2) calls writable takes it without blocking */

/* One direction. Bytes read are written before more are read. */
struct flow {
	int from;
	int to; /* -1: nobody listens any more, the bytes are dropped */
	bool ended;
	size_t at;
	size_t length;
	char buffer[FLOW_SIZE];
};

struct terminal {
	int master;
	int peer; /* a slave of our own: the master never hangs up while the program has its tty closed */
	bool raw;
	bool line_ended; /* the last byte sent to the container was a newline */
	bool eof_sent;
	struct termios saved;
	struct flow input;
	struct flow output;
};

/* Takes the master out of the socket (one message with SCM_RIGHTS, queued already) and makes stdin raw. */
int terminal_open(struct terminal *terminal, int socket, struct failure *reterr);

/* Gives the container the size of the host's terminal. */
void terminal_resize(const struct terminal *terminal);

void terminal_want(const struct terminal *terminal, struct pollfd fds[TERMINAL_POLL_FDS]);
void terminal_copy(struct terminal *terminal, const struct pollfd fds[TERMINAL_POLL_FDS]);

/* After the program ended: is there still something that it left in the pty, and somebody to take it? */
bool terminal_pending(struct terminal *terminal);

/* Restores the host's terminal. */
void terminal_close(struct terminal *terminal);

#endif
