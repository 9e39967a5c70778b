/* The executor's own command line: `tsrun-executor VERB --flag value …`, written by src/exec/executor.ts. */
#ifndef TSRUN_ARGS_H
#define TSRUN_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define EXECUTOR_NAME "tsrun-executor" /* argv[0], and the name of the sealed memfd it runs from */

struct args {
	const char *root;	    /* directory of all state directories, absolute */
	const char *id;		    /* container id, one path component */
	const char *pid_file;	    /* absolute, or NULL */
	const char *console_socket; /* absolute, or NULL */
	const char *exit_file;	    /* create: stay as init's monitor; supervise: write it too. Absolute, or NULL */
	const char *notify_socket;  /* of the service manager: absolute, "@abstract", or NULL */
	const char *format;	    /* list: "table" or "json" */
	int plan_fd;
	int status_fd; /* -1: no records wanted */
	int console_fd;
	bool onlcr;   /* the terminal turns "\n" into "\r\n", for readers that have no terminal of their own to do so */
	int adopt_fd; /* restore: the peer that talks to CRIU */
	int notify_fd;	  /* unbound datagram socket that start binds and the supervisor reads, or -1 */
	int trace_fd;	  /* -1: no timestamps wanted */
	int preserve_fds; /* fds 3 .. 2 + preserve_fds are the program's */
	int signal;
	pid_t pid;
	char **rest; /* what follows "--", NULL-terminated; or NULL.
		      * supervise: the start of a command that deletes and says what went wrong.
		      * exec, instead of a plan: the program and its arguments */
	bool keep;   /* supervise: leave the container, with its exit record */
	bool force;
	bool all;	    /* kill: every process of the cgroup, and none left is no error */
	bool ignore_paused; /* exec: the process may wait in a frozen cgroup */
	bool quiet;	    /* list: the ids alone */
	bool damaged;	    /* delete: the plan cannot be used, remove what the other records tell */
};

/* Nothing given. */
struct args args_none(void);

/* 0, or -1 for an unknown flag, a missing value or one that is no number. */
int args_parse(int argc, char **argv, struct args *ret_args);

/* src/state/container-id.ts */
bool is_container_id(const char *text);

#define ARGS_FLAGS 24

struct args_words {
	const char *words[2 + 2 * ARGS_FLAGS];
	char numbers[ARGS_FLAGS][12];
};

/* The command line that args_parse() reads so, but for "--" and what follows. The number of words. */
size_t args_format(const char *verb, const struct args *args, struct args_words *ret_words);

#endif
