/*
 * Scope-bound resources (gcc cleanup attribute). A clean-up never changes errno, so that a
 * failing function reports the call that failed and not the close() after it.
 */
#ifndef TSRUN_CLEANUP_H
#define TSRUN_CLEANUP_H

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

static inline void close_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

#define cleanup_fd __attribute__((cleanup(close_fd)))

/* Hands a descriptor over: the variable no longer owns it. */
static inline int steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#endif
