/*
 * How a container's first process ended, as one line of JSON: {"id","pid","exitCode","signal","oomKilled","finished"},
 * signal only if one ended it; exitCode is then 128 and its number. In <root>/<id>/exit.json, and with --exit-file
 * where the caller wants it.
 */
#ifndef TSRUN_EXITRECORD_H
#define TSRUN_EXITRECORD_H

#include "context.h"

#define EXIT_RECORD_NAME "exit.json"
#define EXIT_RECORD_SIZE 2048	      /* an id has at most 1024 bytes */
#define INIT_NAME	 "tsrun:init" /* of the process until its execve(2) */
#define MONITOR_NAME	 "monitor"    /* locked with flock(2) while somebody lives who will write the record */

/* status: of waitpid(2). Text of the record, its length without NUL. */
size_t exit_record(const char *id, pid_t pid, int status, bool oom_killed, char *ret_text);

/*
 * How init, which has ended, did it (status of waitpid(2)), for one that is not its parent: from ctx->init_pidfd (Linux
 * 6.15) or its zombie. 0 or -1. *ret_executed: whether it had become the program; only a zombie tells, else it is true.
 */
int exit_status_of_init(const struct context *ctx, int *ret_status, bool *ret_executed);

/* Whole or not at all: a file beside it, renamed. path is absolute. 0, or -1 with errno. */
int write_file_whole(const char *path, const char *text);

#endif
