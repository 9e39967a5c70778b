/* The way back to the caller's surroundings, for Node: see origin.h. */
#include "origin.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "node.h"
#include "signals.h"

void leave_caller(struct origin *origin)
{
	static char *no_environment[] = { NULL };

	origin->cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)sigprocmask(SIG_BLOCK, NULL, &origin->signals);
	environ = no_environment;
	(void)!chdir("/");
}

void hold_signals(void)
{
	const sigset_t all = signals_all();

	(void)sigprocmask(SIG_SETMASK, &all, NULL);
}

_Noreturn void become_node(const struct origin *origin, int answer_fd)
{
	const struct timespec now = { 0 };
	const sigset_t all = signals_all();
	char answer[32];

	/* What asked the executor to stop has been heard. */
	while (sigtimedwait(&all, NULL, &now) > 0)
		;
	(void)sigprocmask(SIG_SETMASK, &origin->signals, NULL);
	(void)!fchdir(origin->cwd);
	if (answer_fd < 0)
		node_exec(origin->argv, origin->envp, NULL);
	(void)fcntl(answer_fd, F_SETFD, 0);
	(void)snprintf(answer, sizeof(answer), "TSRUN_ANSWER=%d", answer_fd);
	node_exec(origin->argv, origin->envp, answer);
}
