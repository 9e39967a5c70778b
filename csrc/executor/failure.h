/*
 * How the executor says what went wrong: one fixed record, no text for people. TypeScript joins it
 * with the op's origin (src/exec/failure.ts) and words it.
 */
#ifndef TSRUN_FAILURE_H
#define TSRUN_FAILURE_H

#include <stddef.h>
#include <stdint.h>

#include "plan.gen.h"

#define FAILURE_MAGIC  0x46525354u
#define FAILURE_DETAIL 2048

enum failure_kind {
	KIND_VERDICT = 0, /* the last record of a verb, success included */
	KIND_WARNING = 1,
	KIND_NOTE = 2, /* nothing is wrong: how long a hook took */
};

/* The record on the status pipe, the sync socket and exec.fifo. Little endian, 2112 bytes. */
struct failure {
	uint32_t magic;
	uint32_t kind;
	uint32_t problem; /* enum problem_value */
	uint32_t list;
	uint32_t index;
	uint32_t opcode; /* 0: the verb itself */
	int32_t error;	 /* errno */
	uint32_t line;
	int32_t pid;
	uint32_t detail_length;
	char syscall[20];
	uint32_t elapsed; /* milliseconds that a hook took */
	char detail[FAILURE_DETAIL];
};

_Static_assert(sizeof(struct failure) == 2112, "read by src/exec/channel.ts");

/* Both store errno and the place in *reterr and are -1, to be returned at once. */
#define FAIL(reterr, call)	       failure_set((reterr), PROBLEM_SYSCALL, (call), __LINE__)
#define FAIL_AS(reterr, problem, call) failure_set((reterr), (problem), (call), __LINE__)

int failure_set(struct failure *reterr, uint32_t problem, const char *call, int line);

/* Adds bytes (a path, hook output) for the message; what does not fit is cut. Keeps errno. */
void failure_detail(struct failure *reterr, const void *bytes, size_t length);

#endif
