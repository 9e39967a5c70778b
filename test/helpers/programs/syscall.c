/* syscall NUMBER …: makes each call without arguments; prints its errno (0: none), or dies of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		errno = 0;
		(void)!syscall(strtol(argv[i], NULL, 10));
		printf("%d\n", errno);
		fflush(stdout);
	}
	return 0;
}
