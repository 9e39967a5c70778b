/* Points in time as the Docker API writes them: RFC 3339 in UTC, with nanoseconds. */
#ifndef TSRUN_MONITOR_TIMESTAMP_H
#define TSRUN_MONITOR_TIMESTAMP_H

#include <time.h>

#define TIMESTAMP_SIZE 32

struct timespec timestamp_now(void);

/* Length without NUL. */
size_t timestamp_format(struct timespec when, char ret_text[TIMESTAMP_SIZE]);

#endif
