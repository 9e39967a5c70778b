/* The monitor's command line, written by src/exec/monitor.ts: `tsrun-monitor FLAGS -- EXECUTOR VERB …`. */
#ifndef TSRUN_MONITOR_OPTIONS_H
#define TSRUN_MONITOR_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
	const char *directory;	 /* absolute; gets "socket", "pid", "exit" and "failure" */
	bool open_stdin;	 /* or /dev/null */
	bool stdin_once;	 /* ends with the first client that had it */
	bool terminal;		 /* the executor sends a pty's master */
	bool await_client;	 /* leave the output where it is until somebody has attached, or AWAIT_MS have passed */
	const char *log_json;	 /* path of a json-file, or NULL */
	const char *log_local;	 /* path of a file in our own format, or NULL */
	const char *log_journal; /* path of journald's socket, or NULL */
	const char *attributes;	 /* JSON object for each line of the json-file, or NULL */
	const char *fields;	 /* of each entry of the journal: lines NAME=value, or NULL */
	uint64_t max_size;	 /* of one log file, 0: no limit */
	unsigned int max_files;
	uint64_t buffer_size; /* what may wait for the disk, 0: the program waits for it */
	char **command;
};

/* 0, or -1 for an unknown flag, a missing value or one that is no number. */
int options_parse(int argc, char **argv, struct options *ret_options);

#endif
