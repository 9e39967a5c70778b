/* RUN_HOOK with every kind of misbehaviour a hook can show. */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#include "build_plan.h"
#include "child.h"
#include "context.h"
#include "tap.h"

static struct build build;
static struct args args = { .status_fd = -1, .plan_fd = -1, .console_fd = -1, .id = "box" };
static struct context ctx;
static struct failure failure;
static char directory[] = "/tmp/tsrun-hook-XXXXXX";

#define NO_ENV ((const char *const[]){ NULL })

static int run(const char *const *argv, const char *const *env, uint32_t kind, uint32_t timeout)
{
	struct op_run_hook op = { .code = OP_RUN_HOOK, .kind = kind, .status = STATUS_CREATING, .timeout = timeout };

	context_init(&ctx, &args);
	memset(&failure, 0, sizeof(failure));
	ctx.init_pid = 4321;
	op.path = build_str(&build, argv[0]);
	op.args = build_strv(&build, argv);
	op.env = build_strv(&build, env);
	ctx.plan = build_finish(&build);
	return op_run_hook(&ctx, &op, &failure);
}

static int script(const char *text, uint32_t timeout)
{
	const char *const argv[] = { "/bin/sh", "-c", text, NULL };

	build_start(&build);
	build_header(&build)->state_json = build_str(&build, "{\"id\":\"\001I\",\"status\":\"\001S\",\"pid\":\001P}");
	return run(argv, NO_ENV, HOOK_CREATE_RUNTIME, timeout);
}

static const char *detail(void)
{
	static char text[FAILURE_DETAIL + 1];

	memcpy(text, failure.detail, failure.detail_length);
	text[failure.detail_length] = '\0';
	return text;
}

static long milliseconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void test_environment(void)
{
	/* Failing on purpose: only then is the output kept. */
	(void)script("cat; exit 1", 0);
	OK(strcmp(detail(), "{\"id\":\"box\",\"status\":\"creating\",\"pid\":4321}") == 0,
		"op_run_hook() gives the state JSON, with its slots filled, on stdin");
	(void)setenv("LEAK", "yes", 1);
	build_start(&build);
	(void)run((const char *const[]){ "/usr/bin/env", "--", "nonesuch", NULL },
		(const char *const[]){ "A=1", "EMPTY=", NULL }, HOOK_PRESTART, 0);
	OK(failure.error == 127, "op_run_hook() passes argv[0] and the arguments as they are");
	(void)script("tr '\\0' '\\n' < /proc/self/environ; exit 1", 0);
	OK(strstr(detail(), "LEAK") == NULL && strstr(detail(), "PATH=") == NULL,
		"op_run_hook() gives none of our environment");
	int leak = open("/dev/null", O_RDONLY);
	(void)script("ls /proc/self/fd | tr '\\n' ' '; exit 1", 0);
	OK(strcmp(detail(), "0 1 2 3 ") == 0,
		"op_run_hook() leaks no descriptor (3 is what ls reads the directory with)");
	close(leak);
	(void)script("[ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] && echo leader; exit 1", 0);
	OK(strcmp(detail(), "leader\n") == 0, "op_run_hook() puts the hook into a session of its own");
	(void)signal(SIGTERM, SIG_IGN);
	OK(script("kill -TERM $$", 0) < 0 && failure.error == 128 + SIGTERM,
		"op_run_hook() resets signals that we ignore, and says which one ended the hook");
	(void)signal(SIGTERM, SIG_DFL);
}

static void test_directory(void)
{
	const char *const argv[] = { "/bin/sh", "-c", "pwd; umask; exit 1", NULL };

	OK(chdir(directory) == 0, "test directory");
	(void)umask(0);
	build_start(&build);
	(void)run(argv, NO_ENV, HOOK_PRESTART, 0);
	OK(strncmp(detail(), directory, strlen(directory)) == 0, "op_run_hook() keeps the directory of create");
	(void)run(argv, NO_ENV, HOOK_POSTSTOP, 0);
	OK(strncmp(detail(), "/\n", 2) == 0, "op_run_hook() runs poststop hooks in /");
	(void)run(argv, NO_ENV, HOOK_CREATE_CONTAINER, 0);
	OK(strstr(detail(), "\n0022\n") != NULL, "op_run_hook() gives createContainer hooks an ordinary umask");
	(void)umask(022);
	(void)chdir("/");
}

static void test_failures(void)
{
	OK(script("exit 0", 0) == 0, "op_run_hook() succeeds with the hook");
	OK(script("echo out; echo err >&2; exit 7", 0) < 0 && failure.problem == PROBLEM_HOOK_FAILED &&
			failure.error == 7 && strcmp(detail(), "out\nerr\n") == 0,
		"op_run_hook() reports exit status and output");
	build_start(&build);
	OK(run((const char *const[]){ "/no/such/hook", NULL }, NO_ENV, HOOK_PRESTART, 0) < 0 &&
			failure.problem == PROBLEM_SYSCALL && failure.error == ENOENT &&
			strcmp(failure.syscall, "execve") == 0,
		"op_run_hook() reports a hook that is missing");
	OK(run((const char *const[]){ "/etc/passwd", NULL }, NO_ENV, HOOK_PRESTART, 0) < 0 && failure.error == EACCES,
		"op_run_hook() reports a hook that is not executable");
	OK(script("i=0; while [ $i -lt 3000 ]; do echo line $i 0123456789012345678901234567890123456789; i=$((i+1)); "
		  "done; "
		  "exit 1",
		   0) < 0 &&
			failure.detail_length == 1536 && strstr(detail(), "line 2999 ") != NULL,
		"op_run_hook() keeps the last of a flood");
	OK(script("exec 0<&- 1>&- 2>&-; exit 0", 0) == 0, "op_run_hook() takes closed pipes");
}

static void test_time(void)
{
	long start = milliseconds();
	char pid_file[64];
	char text[512];

	OK(script("echo waiting; sleep 30", 200) < 0 && failure.problem == PROBLEM_HOOK_TIMEOUT &&
			strcmp(detail(), "waiting\n") == 0 && milliseconds() - start < 5000,
		"op_run_hook() ends a hook that takes too long");
	(void)snprintf(pid_file, sizeof(pid_file), "%s/pid", directory);
	(void)snprintf(text, sizeof(text), "sleep 31 & echo $! > %s; wait", pid_file);
	(void)script(text, 300);
	FILE *file = fopen(pid_file, "r");
	int pid = 0;
	int status = 0;
	OK(file != NULL && fscanf(file, "%d", &pid) == 1 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status),
		"op_run_hook() ends what such a hook started, too");
	if (file != NULL)
		(void)fclose(file);
	start = milliseconds();
	OK(script("sleep 3 & exit 0", 0) == 0 && milliseconds() - start < 2000,
		"op_run_hook() does not wait for a daemon that holds the pipes");
	OK(script("(while :; do echo y; done) & sleep 0.2; kill $!; exit 0", 0) == 0,
		"op_run_hook() is not kept by a daemon that writes");
	(void)unlink(pid_file);
}

static int without_reaping(void *arg)
{
	(void)arg;
	(void)signal(SIGCHLD, SIG_IGN);
	return script("exit 3", 0) < 0 && failure.error == 3 ? 0 : 1;
}

static void test_large_state(void)
{
	static char large[20000];
	const char *const argv[] = { "/bin/sh", "-c", "wc -c; exit 1", NULL };

	memset(large, 'x', sizeof(large) - 1);
	build_start(&build);
	build_header(&build)->state_json = build_str(&build, large);
	(void)run(argv, NO_ENV, HOOK_PRESTART, 0);
	OK(atol(detail()) == (long)sizeof(large) - 1, "op_run_hook() delivers a long state JSON whole");
	OK(run((const char *const[]){ "/bin/true", NULL }, NO_ENV, HOOK_PRESTART, 0) == 0,
		"op_run_hook() does not mind a hook that leaves it unread");
	OK(in_child(without_reaping, NULL) == 0,
		"op_run_hook() learns the exit status though the caller ignores SIGCHLD");
}

int main(void)
{
	/* So that what a hook leaves behind can be waited for. */
	if (mkdtemp(directory) == NULL || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return 1;
	test_environment();
	test_directory();
	test_failures();
	test_time();
	test_large_state();
	(void)rmdir(directory);
	return tap_done();
}
