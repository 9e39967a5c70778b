/*
 * The holder: see holder.h. The lock on its record is what tells that it lives: the kernel takes it away with the
 * process, so a process id that somebody else got since is never believed.
 */
#include "holder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"
#include "sys.h"
#include "userns.h"

#define VARIABLE "TSRUN_HOLDER"
#define PATIENCE 500 /* times 10 ms: somebody else is making the holder */

static const struct timespec STEP = { .tv_nsec = 10 * 1000 * 1000 };

static bool is_locked_by_another(int record)
{
	return flock(record, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* 0: none is written yet. */
static pid_t read_record(int record)
{
	char text[16] = "";

	return pread(record, text, sizeof(text) - 1, 0) > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

static int write_record(int record, pid_t pid)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d\n", pid);

	if (ftruncate(record, 0) < 0)
		return -1;
	return pwrite(record, text, (size_t)length, 0) == length ? 0 : -1;
}

/* The lock is looked at again behind pidfd_open(2): the process it is of was the holder. */
static int join(int record, struct refusal *refusal)
{
	cleanup_fd int holder = -1;
	char directory[PATH_MAX];
	pid_t pid = 0;

	for (int i = 0; i < PATIENCE && pid == 0; i++) {
		pid = read_record(record);
		if (pid == 0)
			(void)nanosleep(&STEP, NULL);
	}
	holder = sys_pidfd_open(pid);
	if (holder < 0 || !is_locked_by_another(record))
		return refuse(refusal, "pidfd_open");
	if (getcwd(directory, sizeof(directory)) == NULL)
		directory[0] = '\0';
	if (setns(holder, CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return refuse(refusal, "setns");
	/* setns(2) went to the root; relative paths of the program are meant from here. */
	if (directory[0] != '\0' && chdir(directory) < 0)
		(void)fprintf(stderr, "%s: errno %d\n", directory, errno);
	return 0;
}

/* The arguments are the program's: who looks for that one, to end it, must not find this. */
static void forget_arguments(char **words)
{
	for (; *words != NULL; words++)
		explicit_bzero(*words, strlen(*words));
}

/* Until then nobody knows of it: it ends with whoever makes it. */
_Noreturn static void hold(int record, int known, char **words)
{
	const int kept[] = { record, known };
	sigset_t all;
	char byte;

	(void)prctl(PR_SET_NAME, "tsrun-holder");
	forget_arguments(words);
	(void)setsid();
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	if (chdir("/") < 0)
		_exit(1);
	close_except(0, kept, 2);
	if (read_upto(known, &byte, 1) != 1)
		_exit(1);
	(void)close(known);
	for (;;)
		(void)pause();
}

/* A grandchild, so that it is nobody's whom the program would have to wait for. */
static pid_t fork_holder(int record, const int *known, char **words)
{
	cleanup_fd int told = -1;
	int tells[2];
	pid_t child;
	pid_t holder = -1;

	if (pipe2(tells, O_CLOEXEC) < 0)
		return -1;
	told = tells[0];
	child = fork();
	if (child == 0) {
		(void)close(known[1]);
		holder = fork();
		if (holder == 0)
			hold(record, known[0], words);
		(void)write_all(tells[1], &holder, sizeof(holder));
		_exit(0);
	}
	(void)close(tells[1]);
	if (child < 0 || waitpid(child, NULL, 0) != child)
		return -1;
	return read_upto(told, &holder, sizeof(holder)) == (ssize_t)sizeof(holder) ? holder : -1;
}

static int make(int record, char **words, struct refusal *refusal)
{
	cleanup_fd int waits = -1;
	cleanup_fd int tell = -1;
	int known[2];
	pid_t holder;

	if (own_user_namespace(words, refusal) < 0)
		return -1;
	if (pipe2(known, O_CLOEXEC) < 0)
		return refuse(refusal, "pipe2");
	waits = known[0];
	tell = known[1];
	holder = fork_holder(record, known, words);
	if (holder < 0)
		return refuse(refusal, "fork");
	if (write_record(record, holder) < 0 || write_all(tell, "x", 1) < 0)
		return refuse(refusal, "write");
	return 0;
}

void enter_held_namespaces(char **words)
{
	struct refusal refusal = { 0 };
	int record;

	(void)unsetenv(VARIABLE);
	record = open(words[0], O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (record < 0)
		(void)refuse(&refusal, "open");
	else if (is_locked_by_another(record))
		(void)join(record, &refusal);
	else if (make(record, words + 1, &refusal) == 0)
		(void)setenv(VARIABLE, "made", 1);
	become_program(words + 5, &refusal);
}
