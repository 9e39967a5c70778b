/* Runs a body in a child process, for what changes the process for good. */
#ifndef TSRUN_CHILD_H
#define TSRUN_CHILD_H

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int (*child_body)(void *arg);

/* The body's value as the child's exit status; 128 + n when signal n ended it. */
static inline int in_child(child_body body, void *arg)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(body(arg));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

#endif
