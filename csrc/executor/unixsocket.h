/* AF_UNIX sockets of callers: the console, a seccomp agent, a receiver of pidfds, a service manager. unix(7). */
#ifndef TSRUN_UNIXSOCKET_H
#define TSRUN_UNIXSOCKET_H

#include <stddef.h>
#include <sys/types.h>

/*
 * A close-on-exec socket of this type connected to an absolute path of any length, or to an abstract name written with
 * '@', or -1 with errno: EINTR when signal_fd, a signalfd or -1, has a signal while the socket's owner keeps us
 * waiting.
 */
int unix_connect(int type, const char *path, int signal_fd);

/* Binds to a name in a directory, in place of what is there. 0, or -1 with errno. */
int unix_bind(int socket_fd, int directory_fd, const char *name);

/* The bytes, with a descriptor (SCM_RIGHTS) in the first sendmsg(2). 0, or -1 with errno. */
int unix_send_fd(int socket_fd, int fd, const void *bytes, size_t size);

/*
 * One message: how many bytes, or -1 with errno. flags: of recvmsg(2). *ret_fd is the descriptor that came with it,
 * close-on-exec, or -1.
 */
ssize_t unix_receive_fd(int socket_fd, int flags, int *ret_fd, void *bytes, size_t size);

#endif
