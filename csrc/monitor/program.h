/*
 * The program: its standard streams, how it was started, how it ended. It is made by the executor, a child of the
 * monitor; as the monitor is a subreaper (prctl(2)), the program becomes its child when the executor has ended.
 */
#ifndef TSRUN_MONITOR_PROGRAM_H
#define TSRUN_MONITOR_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

#include "options.h"

struct program {
	int input;     /* to stdin, or the terminal's master; -1: closed */
	int output[2]; /* from stdout (or the master) and stderr; -1: ended */
	pid_t pid;
	bool ended;
	int status; /* of waitpid(2) */
};

/* Makes the streams and runs the executor to its end. Its exit status; 0 means that there is a program. */
int program_create(const struct options *options, struct program *ret_program);

/* Reaps all that has ended. */
void program_reap(struct program *program);

/* Nothing if it has ended: its number may be another's by now. */
void program_kill(const struct program *program, int signal);

/* The terminal's size. 0, or errno. */
int program_resize(const struct program *program, unsigned short rows, unsigned short columns);

/*
 * {"pid","exitCode","signal"?,"lost"?,"finished"}, one line, into the file "exit" of the directory. lost: entries of
 * the log that a disk that hangs has not taken. Its length.
 */
size_t program_record(const struct program *program, const char *directory, uint64_t lost, char *ret_text, size_t size);

#endif
