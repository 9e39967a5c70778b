/*
 * How a container's first process ended, as one line of JSON: {"id","pid","exitCode","signal","oomKilled","finished"},
 * signal only if one ended it; exitCode is then 128 and its number. In <root>/<id>/exit.json, and with --exit-file
 * where the caller wants it.
 */
#ifndef TSRUN_EXITRECORD_H
#define TSRUN_EXITRECORD_H

#include "context.h"

#define EXIT_RECORD_NAME "exit.json"
#define EXIT_RECORD_SIZE 2048	   /* an id has at most 1024 bytes */
#define MONITOR_NAME	 "monitor" /* locked with flock(2) while somebody lives who will write the record */

/* status: of waitpid(2). Text of the record, its length without NUL. */
size_t exit_record(const char *id, pid_t pid, int status, bool oom_killed, char *ret_text);

/* Whole or not at all: a file beside it, renamed. path is absolute. 0, or -1 with errno. */
int write_file_whole(const char *path, const char *text);

#endif
