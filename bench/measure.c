/*
 * measure PROGRAM ARG…: starts it and waits. Prints on descriptor 3 the nanoseconds from before the fork to after the
 * wait, the peak resident kilobytes, the exit status, the microseconds of CPU time that it and what it waited for took,
 * and the instructions of all that has ended by then, -1 where the processor or the kernel counts none. What calls it
 * measures nothing of itself.
 */
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* Counts in what is executed from now on, not in this program: perf_event_open(2). */
static int count_instructions(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.disabled = 1,
		.enable_on_exec = 1,
		.inherit = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static long long counted(int fd)
{
	long long count;

	return fd >= 0 && read(fd, &count, sizeof(count)) == sizeof(count) ? count : -1;
}

int main(int argc, char **argv)
{
	int counter = count_instructions();
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
	dprintf(3, "%lld %ld %d %ld %lld\n", now() - begin, usage.ru_maxrss, WIFEXITED(status) ? WEXITSTATUS(status) : 128,
		(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
			usage.ru_stime.tv_usec,
		counted(counter));
	return 0;
}
