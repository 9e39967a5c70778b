/* The container's output as entries, for whichever of the three places were asked for. */
#ifndef TSRUN_MONITOR_LOG_H
#define TSRUN_MONITOR_LOG_H

#include "entry.h"
#include "logfile.h"
#include "options.h"
#include "ring.h"

/* What is there of a line whose end has not come. */
struct log_line {
	char text[ENTRY_MAX];
	size_t length;
	bool continued; /* the parts of a line have the time of the first */
	struct timespec time;
};

struct log {
	const struct options *options;
	bool json, local;
	struct logfile json_file, local_file;
	int journal_fd;
	struct log_line lines[2];
	/* With mode=non-blocking: the thread is there from the first entry on. */
	bool threaded;
	pthread_t writer;
	struct ring ring;
};

/* log: zero, or closed. 0, or -1 with errno: then the container must not start. */
int log_open(struct log *log, const struct options *options);

/* Bytes of a stream, as they come. */
void log_write(struct log *log, enum stream stream, const char *bytes, size_t size);

/* Writes what no line end has ended. Entries that are lost, as the disk hangs: with mode=non-blocking alone. */
uint64_t log_close(struct log *log);

#endif
