/* How this process was started, for when it becomes Node. */
#ifndef TSRUN_ORIGIN_H
#define TSRUN_ORIGIN_H

#include <signal.h>

struct origin {
	char **argv;
	char **envp;
	int cwd;
	sigset_t signals;
};

/* From here on as Node starts the executor: in "/", without an environment. */
void leave_caller(struct origin *origin);

/* All signals wait: for the supervisor, which passes them on, or to be forgotten by become_node(). */
void hold_signals(void);

/* answer_fd: the records of the verbs that were run, and the plan; or -1. After leave_caller(). */
_Noreturn void become_node(const struct origin *origin, int answer_fd);

#endif
