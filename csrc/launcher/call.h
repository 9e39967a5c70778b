/*
 * A verb that faces a container: it runs in a child, from a sealed copy of this program, with nothing of our
 * environment, as src/exec/executor.ts would start it.
 */
#ifndef TSRUN_CALL_H
#define TSRUN_CALL_H

#include "executor.h"

/*
 * What the child starts outlives it as a child of ours, if we are a subreaper: prctl(2). args->status_fd gets its
 * records, of which *ret_verdict is the last; its problem is not NONE if there is none. 0; -1: it was not started.
 */
int call_executor(const char *verb, const struct args *args, struct failure *ret_verdict);

/* Whether there are warnings among the records. */
bool answer_has_warnings(int status_fd);

#endif
