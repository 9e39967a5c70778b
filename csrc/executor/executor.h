/* The verbs by name, for the executor's own command line and for the launcher, which runs some in its own process. */
#ifndef TSRUN_EXECUTOR_H
#define TSRUN_EXECUTOR_H

#include "context.h"

/* `tsrun-executor VERB …`: the exit status. */
int executor_main(int argc, char **argv);

/*
 * Runs one verb. Its records go to ctx->args->status_fd, the last is the verdict. The exit status: 0, 1 for a failure,
 * 2 for a name that is none; supervise: the program's. argv: of this process, for verbs that start it again.
 */
int executor_run(const char *name, struct context *ctx, char **argv);

/* A copy of this program, which self is open on, that nothing can change any more: the descriptor, or -1. */
int seal_executor(int self, struct failure *reterr);

/* A caller may have closed stdio: without this the first file opened would become it. 0 or -1. */
int fill_stdio(void);

#endif
