/* Test Anything Protocol for the C tests: each check is a line, tap_done() the plan and the exit status. */
#ifndef TSRUN_TAP_H
#define TSRUN_TAP_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static unsigned int tap_count;
static unsigned int tap_failed;

static inline bool tap_ok(bool passed, const char *name, int line)
{
	int error = errno;

	tap_count++;
	printf("%s %u - %s\n", passed ? "ok" : "not ok", tap_count, name);
	if (!passed) {
		tap_failed++;
		printf("# line %d, errno %d (%s)\n", line, error, strerror(error));
	}
	fflush(stdout);
	return passed;
}

#define OK(condition, name) tap_ok((condition), (name), __LINE__)

static inline void tap_skip(const char *name, const char *reason)
{
	tap_count++;
	printf("ok %u - %s # SKIP %s\n", tap_count, name, reason);
}

static inline int tap_done(void)
{
	printf("1..%u\n", tap_count);
	return tap_failed == 0 ? 0 : 1;
}

#endif
