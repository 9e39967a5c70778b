/*
 * Is there room for what Node needs? Where a limit refuses it threads it waits for ever for the ones that were never
 * made, and where it gets no descriptors it aborts with a stack of its own: better said beforehand. cgroups(7)
 * pids.max, getrlimit(2) RLIMIT_NPROC and RLIMIT_NOFILE.
 */
#include "room.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Node's workers, its two helpers, and the processes of the executor. */
#define THREADS 9
#define STACK	4096
/* Its loops, the bundle, the plan, the records, and some to work with. */
#define FILES 32

struct gate {
	int read;
	int write;
};

/*
 * A child that shares our memory, so that nothing is copied for it, and waits until we close the gate or are killed:
 * its descriptors are its own, and it keeps no end that would hold the gate shut.
 */
static int wait_at_gate(void *arg)
{
	const struct gate *gate = arg;
	char byte;

	(void)close(gate->write);
	(void)read(gate->read, &byte, 1);
	return 0;
}

/* 0, or the errno with which one more was refused. All of them at once, as limits count them. */
static int try_threads(void)
{
	static char stacks[THREADS][STACK] __attribute__((aligned(16)));
	pid_t pids[THREADS];
	struct gate gate;
	int ends[2];
	int error = 0;
	int count = 0;

	if (pipe(ends) < 0)
		return 0;
	gate = (struct gate){ .read = ends[0], .write = ends[1] };
	for (; count < THREADS && error == 0; count++) {
		/* No signal at the end: the caller may have ignored SIGCHLD. */
		pids[count] = clone(wait_at_gate, stacks[count] + STACK, CLONE_VM, &gate);
		error = pids[count] < 0 ? errno : 0;
	}
	count -= error == 0 ? 0 : 1;
	(void)close(gate.write);
	for (int i = 0; i < count; i++)
		(void)waitpid(pids[i], NULL, __WALL);
	(void)close(gate.read);
	return error;
}

bool has_room_for_node(void)
{
	struct rlimit files = { .rlim_max = RLIM_INFINITY };
	int error;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max < FILES) {
		(void)dprintf(STDERR_FILENO,
			"tsrun: the limit of open files is %llu, and tsrun needs %d\nhint: raise it: ulimit -n %d\n",
			(unsigned long long)files.rlim_max, FILES, FILES);
		return false;
	}
	error = try_threads();
	if (error != EAGAIN)
		return true;
	(void)dprintf(STDERR_FILENO,
		"tsrun: no room for %d more processes and threads: EAGAIN (resource temporarily unavailable)\n"
		"hint: raise pids.max of the cgroup that tsrun is started in, or the user's limit: ulimit -u\n",
		THREADS);
	return false;
}
