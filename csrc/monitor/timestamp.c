/* Points in time: see timestamp.h. */
#include "timestamp.h"

#include <stdio.h>

struct timespec timestamp_now(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return now;
}

size_t timestamp_format(struct timespec when, char ret_text[TIMESTAMP_SIZE])
{
	/* The lines of one second share all but the fraction, and a busy program writes thousands in it. */
	static time_t second = -1;
	static char text[sizeof("2000-01-01T00:00:00")];
	struct tm parts;

	if (second != when.tv_sec && gmtime_r(&when.tv_sec, &parts) != NULL) {
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
		second = when.tv_sec;
	}
	return (size_t)snprintf(ret_text, TIMESTAMP_SIZE, "%s.%09ldZ", text, when.tv_nsec % 1000000000L);
}
