/* The container's side of the clone. */
#ifndef TSRUN_CONTAINER_H
#define TSRUN_CONTAINER_H

#include "context.h"

/* Runs the init list; ends in execve(2), or reports the failure to whoever waits and exits. */
_Noreturn void container_main(struct context *ctx);

#endif
