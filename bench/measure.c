/*
 * measure PROGRAM ARG…: starts it and waits. Prints on descriptor 3 the nanoseconds from before the fork to after the
 * wait, the peak resident kilobytes, the exit status, and the microseconds of CPU time that it and what it waited for
 * took. What calls it measures nothing of itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	long long begin;
	int status;
	pid_t pid;

	if (argc < 2)
		return 2;
	begin = now();
	pid = vfork();
	if (pid == 0) {
		execv(argv[1], argv + 1);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) < 0)
		return 1;
	dprintf(3, "%lld %ld %d %ld\n", now() - begin, usage.ru_maxrss, WIFEXITED(status) ? WEXITSTATUS(status) : 128,
		(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
			usage.ru_stime.tv_usec);
	return 0;
}
