/* How the notify descriptor of a seccomp filter leaves the process that loaded it: ops/listener.c. */
#ifndef TSRUN_LISTENER_H
#define TSRUN_LISTENER_H

#include "context.h"

/* In init, after its filter is loaded: makes no system call. Returns when SEND_LISTENER has sent the descriptor. */
void listener_offer(struct context *ctx, int fd);

#endif
