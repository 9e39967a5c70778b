/* The monitor's loop: output to log and clients, input from clients, and the program's end. */
#ifndef TSRUN_MONITOR_LOOP_H
#define TSRUN_MONITOR_LOOP_H

#include "client.h"
#include "log.h"
#include "program.h"

/* How long output may still come from others who hold the streams when the program has ended. dockerd's is the same. */
#define DRAIN_MS 2000
/* How long a client may take nothing of the last output before the monitor ends. */
#define LINGER_MS 600000
#define AWAIT_MS  10000

struct loop {
	const struct options *options;
	struct program program;
	struct log log;
	int listener;
	int signals;
	struct client clients[CLIENTS_MAX];
	/* Input on its way to the program, from one client at a time. */
	char input[16384];
	size_t input_at, input_length;
	bool input_ends; /* close it when that is written */
	int64_t awaited; /* client_clock() until which the first client is waited for, or 0 */
	int64_t ended;	 /* client_clock() since when its output may be late: it has ended, and nobody holds it; or 0 */
	bool recorded;
};

/* Signals as a descriptor, no client. 0 or -1. */
int loop_prepare(struct loop *loop);

/* Closes what the executor had from the daemon. */
void loop_forget_caller(const struct loop *loop);

/* Until the program has ended and all is told. */
void loop_run(struct loop *loop);

#endif
