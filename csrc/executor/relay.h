/*
 * NOTIFY_SOCKET: a program in the container says READY=1 on <root>/<id>/notify/notify.sock, which it sees as
 * /run/notify/notify.sock, and the service manager is told. sd_notify(3).
 */
#ifndef TSRUN_RELAY_H
#define TSRUN_RELAY_H

#include "context.h"

#define NOTIFY_DIRECTORY_NAME "notify"
#define NOTIFY_SOCKET_NAME    "notify.sock"

/* Binds the datagram socket in the state directory. 0; 1 for a container that was created without; -1. */
int relay_bind(struct context *ctx, int socket_fd, struct failure *reterr);

/*
 * Takes what has come. Once READY= is among it the manager at path is told that, MAINPID=pid, and then BARRIER=1, which
 * it answers. 1: told (or the manager is gone, which is none of the container's business), 0: not yet.
 */
int relay_take(int socket_fd, const char *path, pid_t pid);

/* start: until READY=, or until init has ended. 0 or -1. */
int relay_wait(struct context *ctx, int socket_fd, struct failure *reterr);

#endif
