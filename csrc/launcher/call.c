/* The executor as a child: see call.h. */
#include "call.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "sys.h"

/* vfork(2): the child borrows our memory until its execve(2), so that nothing is copied. Only it is written to here. */
static pid_t start(int program, const struct args *args, char **argv)
{
	static char *no_environment[] = { NULL };
	const int fds[] = { args->status_fd, args->plan_fd, args->console_fd };
	pid_t pid = vfork();

	if (pid != 0)
		return pid;
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		/* -1 for none. Not ours: the descriptor table is not borrowed. */
		if (fds[i] >= 0 && fcntl(fds[i], F_SETFD, 0) < 0)
			_exit(127);
	(void)syscall(SYS_execveat, program, "", argv, no_environment, AT_EMPTY_PATH);
	_exit(127);
}

static void wait_for(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* The last record. Without one the executor was killed, which src/exec/failure.ts words. */
static void read_verdict(int status_fd, struct failure *ret_verdict)
{
	const ssize_t size = (ssize_t)sizeof(*ret_verdict);
	off_t end = lseek(status_fd, 0, SEEK_END);

	if (end >= size && pread(status_fd, ret_verdict, sizeof(*ret_verdict), end - size) == size &&
		ret_verdict->kind == KIND_VERDICT)
		return;
	*ret_verdict = (struct failure){ .problem = PROBLEM_SYSCALL };
}

/* The words of args, and for exec the program behind them. */
static pid_t start_verb(int program, const char *verb, const struct args *args)
{
	static struct args_words words;
	size_t count = args_format(verb, args, &words);
	size_t rest = 0;

	while (args->rest != NULL && args->rest[rest] != NULL)
		rest++;

	const char *argv[count + rest + 2];

	memcpy(argv, words.words, count * sizeof(argv[0]));
	if (rest > 0)
		argv[count++] = "--";
	for (size_t i = 0; i < rest; i++)
		argv[count++] = args->rest[i];
	argv[count] = NULL;
	return start(program, args, (char **)(uintptr_t)argv);
}

int call_executor(const char *verb, const struct args *args, struct failure *ret_verdict)
{
	cleanup_fd int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	cleanup_fd int program = self < 0 ? -1 : seal_executor(self, ret_verdict);
	pid_t pid = program < 0 ? -1 : start_verb(program, verb, args);

	if (pid < 0)
		return -1;
	wait_for(pid);
	read_verdict(args->status_fd, ret_verdict);
	return 0;
}

bool answer_has_warnings(int status_fd)
{
	struct failure record;

	for (off_t at = 0; pread(status_fd, &record, offsetof(struct failure, problem), at) > 0;
		at += (off_t)sizeof(record))
		if (record.kind == KIND_WARNING)
			return true;
	return false;
}
