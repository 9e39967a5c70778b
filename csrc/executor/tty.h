/* The terminal's way to whoever asked for it: --console-socket of runc, one message with one descriptor. */
#ifndef TSRUN_TTY_H
#define TSRUN_TTY_H

#include "failure.h"

/* Sends the master of a pty with the pty's name. */
int tty_send_master(int socket_fd, int master, struct failure *reterr);

#endif
