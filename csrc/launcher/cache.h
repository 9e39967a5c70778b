/*
 * The plan cache: a directory of root's with an entry a file (entry.h). What is found was compiled before for a
 * question that matches this one byte by byte, but for slots; src/cache/store.ts writes the entries.
 */
#ifndef TSRUN_CACHE_H
#define TSRUN_CACHE_H

#include "question.h"

#define CACHE_NAME_SIZE 32

struct cached {
	int plan_fd; /* sealed memfd with a verified plan; -1: nothing was found */
	bool terminal;
	char name[CACHE_NAME_SIZE]; /* of the file that an answer to this question would belong in */
};

/* TSRUN_CACHE as src/cache/store.ts reads it. NULL: no cache. */
const char *cache_directory(void);

void cache_find(const char *directory, const struct question *question, struct cached *ret_cached);

#endif
