/*
 * churn DIRECTORY...: mounts and unmounts a tmpfs on each, over and over, until it is told to end; then
 * nothing of it is mounted. Whoever reads mountinfo meanwhile may read half of it. Ends with its parent.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

int main(int argc, char **argv)
{
	unsigned long mounts = 0;

	signal(SIGTERM, end);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	while (!ended) {
		for (int i = 1; i < argc; i++)
			mounts += mount("churn", argv[i], "tmpfs", 0, "size=4k") == 0;
		for (int i = 1; i < argc; i++)
			umount2(argv[i], MNT_DETACH);
	}
	printf("%lu\n", mounts);
	return 0;
}
