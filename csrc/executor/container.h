/* The container's side of the clone. */
#ifndef TSRUN_CONTAINER_H
#define TSRUN_CONTAINER_H

#include "context.h"

/*
 * Closes what only the host side uses, once, on the way to init: a container with CAP_SYS_PTRACE that sees init
 * reaches every directory it holds (CVE-2016-9962). The stage does it before the clone, so there is no such moment.
 */
void drop_host_fds(struct context *ctx);

/* Runs the init list; ends in execve(2), or reports the failure to whoever waits and exits. */
_Noreturn void container_main(struct context *ctx);

#endif
