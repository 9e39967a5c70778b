/*
 * The command line of tsrun, as far as the launcher carries it out itself. There is one parser for everything, in
 * src/cli/argv.ts; this one knows the plain forms that engines and probes use, and leaves what is unusual, and all that
 * is wrong, to the other.
 */
#ifndef TSRUN_COMMAND_H
#define TSRUN_COMMAND_H

#include "args.h"

struct command {
	const char *name;
	const char *log; /* --log, or NULL */
	size_t verb_at;	 /* of argv */
	bool detach;
	const char *process; /* exec: the file of --process, absolute; or NULL */
	struct args args;

	/* Of create and run: src/cli/options.ts. */
	const char *bundle;   /* or NULL */
	const char *rootless; /* the same */
	bool systemd_cgroup;
	bool no_pivot;
	bool no_new_keyring;
};

/* false: not all of it is understood. Pure. */
bool command_parse(char **argv, struct command *ret_command);

/* Absolute, not "/", and without "." and "..", so that it is what path.resolve() of Node would make of it. */
bool is_plain_path(const char *path);

/* The number of TERM, SIGTERM, sigterm, 15; -1 for other names. src/util/signals.ts knows more. */
int signal_number(const char *text);

#endif
