/*
 * create --monitor: the executor stays as the parent of init, to write down how it ended. docs/adr/0005.
 *
 *   caller ── starts ──▶ stub ── fork ──▶ executor: create, verdict, release ──▶ waits for init, writes the record
 *                         └─ ends with the executor's status as soon as it is released
 */
#ifndef TSRUN_MONITOR_H
#define TSRUN_MONITOR_H

#include "context.h"

/* In the executor: the pipe that releases the stub. The stub does not return. -1 with *reterr. */
int monitor_fork(struct failure *reterr);

/* After the verdict: lets the stub go, and when create has succeeded stays until init has ended. */
_Noreturn void monitor_run(struct context *ctx, int stub, int result);

/* The record of a container whose init has this status of waitpid(2); its cgroup is looked at for OOM kills. */
void monitor_record(struct context *ctx, int status, const char *exit_file);

#endif
