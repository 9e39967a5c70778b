/*
 * Timestamps of what the executor does, for `--trace FILE` (src/exec/trace.ts): fixed records in a shared memfd, which
 * every process of a create writes to while it runs our code; execve(2) unmaps it. Without --trace-fd nothing is mapped
 * and each op costs one comparison.
 *
 * CLOCK_MONOTONIC is read through the vDSO, but the kernel may make a system call of it, and a filter that has just
 * been loaded may forbid that one: from SECCOMP on a process takes no more times.
 */
#ifndef TSRUN_TRACE_H
#define TSRUN_TRACE_H

#include <stdint.h>

#include "failure.h"

#define TRACE_MAGIC 0x43525354u /* "TSRC" */
#define TRACE_MARK  0xffffffffu /* list of a record that is no op: its code is a TRACE_* of the plan's constants */

struct trace_record {
	uint32_t list;
	uint32_t index;
	uint32_t code;
	uint32_t role; /* enum role of the process */
	uint64_t start;
	uint64_t end; /* 0: not yet, or never */
};

struct trace {
	uint32_t magic;
	uint32_t capacity;
	uint32_t used; /* records handed out, may exceed capacity: the rest was lost */
	uint32_t pad[5];
	struct trace_record records[];
};

struct context;

/* Maps the memfd of --trace-fd, if there is one. */
int trace_open(struct context *ctx, struct failure *reterr);

/* NULL when nothing is traced, or no record is left. */
struct trace_record *trace_begin(struct context *ctx, uint32_t list, uint32_t index, uint32_t code);
void trace_end(struct context *ctx, struct trace_record *record);

/* A point in time: TRACE_*. */
void trace_mark(struct context *ctx, uint32_t mark);

#endif
