/* A text that grows in a buffer of fixed size, and the part of the question that is about the host: question.h. */
#ifndef TSRUN_HOST_H
#define TSRUN_HOST_H

#include <stdbool.h>
#include <stddef.h>

struct growing {
	char *at;
	size_t size;
	size_t room;
	bool full; /* something did not fit, or cannot be said */
};

__attribute__((format(printf, 2, 3))) void grow(struct growing *text, const char *format, ...);

/* -1: see question_ask(). */
int host_describe(struct growing *text);

/* What plans with --systemd-cgroup depend on besides. -1: it cannot be read. */
int host_describe_systemd(struct growing *text);

#endif
