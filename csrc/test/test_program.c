/* The last steps of init: CHDIR, FIND_PROGRAM, HOME, EXEC, and the credentials. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "build_plan.h"
#include "child.h"
#include "context.h"
#include "io.h"
#include "procfs.h"
#include "tap.h"

static struct build build;
static struct args args = { .status_fd = -1, .plan_fd = -1, .console_fd = -1, .id = "box" };
static struct context ctx;
static struct failure failure;
static char directory[] = "/tmp/tsrun-program-XXXXXX";

static void fresh(void)
{
	context_init(&ctx, &args);
	memset(&failure, 0, sizeof(failure));
	build_start(&build);
}

static void make_file(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fchmod(fd, mode) < 0)
		printf("Bail out! %s\n", name);
	(void)close(fd);
}

static int find(const char *file, const char *path)
{
	struct op_find_program op = { .code = OP_FIND_PROGRAM };

	fresh();
	op.file = build_str(&build, file);
	op.path = build_str(&build, path);
	ctx.plan = build_finish(&build);
	return op_find_program(&ctx, &op, &failure) == 0 ? 0 : failure.error;
}

static bool detail_is(const char *text)
{
	return failure.detail_length == strlen(text) && memcmp(failure.detail, text, strlen(text)) == 0;
}

static void test_find(void)
{
	make_file("plain", "x", 0644);
	make_file("a/tool", "#!/bin/sh\n", 0644);
	make_file("b/tool", "#!/bin/sh\n", 0755);

	OK(find("sh", "/nowhere:/bin:/usr/bin") == 0 && strcmp(ctx.program, "/bin/sh") == 0,
		"op_find_program() searches PATH in order");
	OK(find("tool", "a:b") == 0 && strcmp(ctx.program, "b/tool") == 0,
		"op_find_program() goes on after a file that is not executable; entries may be relative");
	OK(find("tool", "a") == EACCES && detail_is("a/tool"), "op_find_program() reports it when there is no other");
	OK(find("nonesuch", "/bin") == ENOENT && detail_is("nonesuch"), "op_find_program() says ENOENT and the name");
	OK(find("", "/bin") == ENOENT, "op_find_program() does not find an empty name");
	OK(find("tool", ":b") == 0 && find("plain", "") == EACCES && detail_is("./plain"),
		"op_find_program() takes an empty entry for the current directory");
	OK(find("./b/tool", "/bin") == 0 && strcmp(ctx.program, "./b/tool") == 0,
		"op_find_program() takes a name with a slash as it is");
	OK(find("./plain", "") == EACCES && strcmp(failure.syscall, "S_IXUSR") == 0 && find("./no", "") == ENOENT &&
			find("plain/x", "") == ENOTDIR,
		"op_find_program() gives the errno that execve(2) would");
	OK(find("./a", "") == EACCES && strcmp(failure.syscall, "S_ISDIR") == 0,
		"op_find_program() tells a directory apart");
}

static int chdir_op(const char *path)
{
	struct op_chdir op = { .code = OP_CHDIR };

	fresh();
	op.path = build_str(&build, path);
	ctx.plan = build_finish(&build);
	return op_chdir(&ctx, &op, &failure);
}

static int chdir_outside(void *arg)
{
	int outside = open("/", O_PATH | O_DIRECTORY);

	(void)arg;
	if (chroot(directory) < 0 || fchdir(outside) < 0)
		return 2;
	return chdir_op(".") < 0 && failure.problem == PROBLEM_UNSAFE_CWD ? 0 : 1;
}

static void test_chdir(void)
{
	char where[PATH_MAX];

	OK(chdir_op("/usr") == 0 && getcwd(where, sizeof(where)) != NULL && strcmp(where, "/usr") == 0,
		"op_chdir() changes it");
	OK(chdir_op("/nowhere") < 0 && failure.problem == PROBLEM_SYSCALL && failure.error == ENOENT,
		"op_chdir() says why it cannot");
	(void)chdir(directory);
	if (geteuid() == 0)
		OK(in_child(chdir_outside, NULL) == 0,
			"op_chdir() refuses a directory outside the root (CVE-2024-21626)");
	else
		tap_skip("op_chdir() refuses a directory outside the root (CVE-2024-21626)", "needs root");
}

static const char *home(uint32_t uid)
{
	struct op_home op = { .code = OP_HOME, .uid = uid };

	fresh();
	ctx.rootfs_fd = open(directory, O_PATH | O_DIRECTORY);
	(void)op_home(&ctx, &op, &failure);
	(void)close(ctx.rootfs_fd);
	return ctx.home;
}

static void test_home(void)
{
	static char long_line[20000];

	OK(strcmp(home(0), "HOME=/") == 0, "op_home() says / without /etc/passwd");
	memset(long_line, 'x', sizeof(long_line) - 1);
	memcpy(long_line + 16000, ":x:77:77::/evil:", 16);
	make_file("etc/passwd", "", 0644);
	FILE *file = fopen("etc/passwd", "w");
	fprintf(file, "root:x:0:0:root:/root:/bin/sh\n+bad line\n\nshort:x:5\n%s\nneg:x:-1:1::/neg:\n", long_line);
	for (int i = 100; i < 1000; i++)
		fprintf(file, "user%d:x:%d:%d:Some Body,,,:/home/user%d:/bin/sh\n", i, i, i, i);
	fprintf(file, "big:x:4294967294:1::/big:\nempty:x:6:6:::\nrel:x:7:7::rel:\nlast:x:1001:1001::/last");
	fclose(file);
	OK(strcmp(home(0), "HOME=/root") == 0, "op_home() finds the first line");
	OK(strcmp(home(999), "HOME=/home/user999") == 0 && strcmp(home(100), "HOME=/home/user100") == 0,
		"op_home() finds lines across its buffer");
	OK(strcmp(home(1001), "HOME=/last") == 0, "op_home() finds a last line without newline and shell");
	OK(strcmp(home(4294967294u), "HOME=/big") == 0 && strcmp(home(0xffffffffu), "HOME=/") == 0,
		"op_home() compares uids as numbers of 32 bits");
	OK(strcmp(home(6), "HOME=/") == 0 && strcmp(home(7), "HOME=/") == 0,
		"op_home() says / for an empty or relative home");
	OK(strcmp(home(77), "HOME=/") == 0, "op_home() does not take the rest of an overlong line for a line");
	OK(strcmp(home(5), "HOME=/") == 0 && strcmp(home(4242), "HOME=/") == 0,
		"op_home() says / for a user that is not there");
	(void)unlink("etc/passwd");
	(void)mkfifo("etc/passwd", 0666);
	OK(strcmp(home(0), "HOME=/") == 0, "op_home() does not hang on a FIFO");
	(void)unlink("etc/passwd");
	(void)symlink("/../../../../etc/passwd", "etc/passwd");
	OK(strcmp(home(0), "HOME=/") == 0, "op_home() does not follow a link out of the root");
}

struct exec_case {
	const char *program;
	const char *script;
	const char *home;
};

static int exec_body(void *arg)
{
	const struct exec_case *the_case = arg;
	const char *const argv[] = { "sh", "-c", the_case->script, NULL };
	struct op_exec op = { .code = OP_EXEC };
	sigset_t all;

	fresh();
	(void)signal(SIGINT, SIG_IGN);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	op.args = build_strv(&build, argv);
	op.env = build_strv(&build, (const char *const[]){ "A=1", "HOME=", "B=2", NULL });
	ctx.plan = build_finish(&build);
	(void)snprintf(ctx.program, sizeof(ctx.program), "%s", the_case->program);
	(void)snprintf(ctx.home, sizeof(ctx.home), "%s", the_case->home);
	(void)op_exec(&ctx, &op, &failure);
	return failure.error == ENOEXEC && failure.detail_length == strlen(the_case->program) + 1 + 4 &&
			       memcmp(failure.detail + strlen(the_case->program), "\0what", 5) == 0
		       ? 100
		       : 101;
}

static int exec_case(const char *program, const char *script, const char *home_text)
{
	struct exec_case the_case = { program, script, home_text };

	return in_child(exec_body, &the_case);
}

static void test_exec(void)
{
	OK(exec_case("/bin/sh",
		   "[ \"$A$B$HOME\" = 12/home ] && [ $(tr '\\0' '\\n' </proc/$$/environ | grep -c HOME) = 1 ]",
		   "HOME=/home") == 0,
		"op_exec() replaces an empty HOME by the one found");
	OK(exec_case("/bin/sh", "[ -z \"$HOME\" ] && [ \"$0\" = sh ]", "") == 0,
		"op_exec() keeps the environment as it is without HOME");
	OK(exec_case("/bin/sh",
		   "grep -q 'SigIgn:.*0000000000000000' /proc/self/status && "
		   "grep -q 'SigBlk:.*0000000000000000' /proc/self/status",
		   "") == 0,
		"op_exec() starts the program with no signal blocked or ignored");
	make_file("broken", "what", 0755);
	OK(exec_case("./broken", "", "") == 100,
		"op_exec() reports the path and the beginning of what cannot be executed");
}

static int become(void *arg)
{
	const uint32_t groups[] = { 1000, 2000 };
	struct op_set_user user = { .code = OP_SET_USER, .uid = 1000, .gid = 1000 };
	struct op_bounding_set bound = { .code = OP_BOUNDING_SET, .mask = 1 << 10 | 1 << 5 };
	struct op_capabilities caps = { .code = OP_CAPABILITIES, .effective = 1 << 10, .permitted = 1 << 10 | 1 << 5 };
	struct op_ambient ambient = { .code = OP_AMBIENT, .mask = 1 << 10 };
	gid_t have[8];

	fresh();
	(void)arg;
	user.groups = build_blob(&build, groups, sizeof(groups));
	ctx.plan = build_finish(&build);
	caps.inheritable = 1 << 10;
	if (op_bounding_set(&ctx, &bound, &failure) < 0 || op_set_user(&ctx, &user, &failure) < 0 ||
		op_capabilities(&ctx, &caps, &failure) < 0 || op_ambient(&ctx, &ambient, &failure) < 0)
		return 1;
	if (geteuid() != 1000 || getegid() != 1000 || getgroups(8, have) != 2 || have[1] != 2000)
		return 2;
	if (prctl(PR_CAPBSET_READ, 10) != 1 || prctl(PR_CAPBSET_READ, 21) != 0 || prctl(PR_CAPBSET_READ, 40) == 1)
		return 3;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 10, 0, 0) != 1 || prctl(PR_GET_KEEPCAPS) != 0)
		return 4;
	execl("/bin/sh", "sh", "-c",
		"grep -q 'CapEff:.0000000000000400' /proc/self/status && grep -q 'CapBnd:.0000000000000420' "
		"/proc/self/status",
		(char *)NULL);
	return 5;
}

static int seccomp_body(void *arg)
{
	/* Every getppid() is ENOTUNIQ, all else is allowed. */
	const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOTUNIQ),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct op_no_new_privs nnp = { .code = OP_NO_NEW_PRIVS };
	struct op_seccomp op = { .code = OP_SECCOMP };

	(void)arg;
	fresh();
	op.filter = build_blob(&build, filter, sizeof(filter));
	ctx.plan = build_finish(&build);
	if (op_no_new_privs(&ctx, &nnp, &failure) < 0 || op_seccomp(&ctx, &op, &failure) < 0)
		return 1;
	if (syscall(SYS_getppid) != -1 || errno != ENOTUNIQ)
		return 2;
	op.filter.length = 12;
	return op_seccomp(&ctx, &op, &failure) < 0 && failure.problem == PROBLEM_BAD_PLAN ? 0 : 3;
}

static int network_body(void *arg)
{
	struct op_loopback_up up = { .code = OP_LOOPBACK_UP };
	struct op_hostname host = { .code = OP_HOSTNAME };
	char name[64];

	(void)arg;
	fresh();
	host.name = build_str(&build, "box");
	ctx.plan = build_finish(&build);
	if (unshare(CLONE_NEWNET | CLONE_NEWUTS) < 0)
		return 1;
	if (op_loopback_up(&ctx, &up, &failure) < 0 || op_hostname(&ctx, &host, &failure) < 0)
		return 2;
	if (gethostname(name, sizeof(name)) < 0 || strcmp(name, "box") != 0)
		return 3;
	execl("/bin/sh", "sh", "-c", "set -- $(grep -c ' lo$' /proc/net/if_inet6 2>/dev/null || echo 1); [ $1 = 1 ]",
		(char *)NULL);
	return 4;
}

static int keyring_body(void *arg)
{
	struct op_session_keyring op = { .code = OP_SESSION_KEYRING, .permissions = 0x80000 };

	(void)arg;
	fresh();
	ctx.plan = build_finish(&build);
	if (op_session_keyring(&ctx, &op, &failure) < 0)
		return failure.error == EPERM || failure.error == EDQUOT ? 77 : 1;
	execl("/bin/sh", "sh", "-c", "[ ! -e /proc/keys ] || grep -q '3f1b0000.*_ses.box' /proc/keys", (char *)NULL);
	return 2;
}

static int limits_body(void *arg)
{
	struct op_rlimit limit = { .code = OP_RLIMIT, .resource = RLIMIT_NOFILE, .soft = 100, .hard = 200 };
	struct op_oom_score_adj score = { .code = OP_OOM_SCORE_ADJ, .value = 500 };
	struct rlimit now = { 0 };
	char text[16] = "";
	char path[64];
	bool done;

	(void)arg;
	fresh();
	if (procfs_open(&ctx.proc_fd, &failure) < 0)
		return 2;
	ctx.init_pid = fork();
	if (ctx.init_pid == 0) {
		pause();
		_exit(1);
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", ctx.init_pid);
	done = op_rlimit(&ctx, &limit, &failure) == 0 && op_oom_score_adj(&ctx, &score, &failure) == 0 &&
	       prlimit(ctx.init_pid, RLIMIT_NOFILE, NULL, &now) == 0 && now.rlim_cur == 100 && now.rlim_max == 200 &&
	       read_file_at(AT_FDCWD, path, text, sizeof(text)) > 0 && strcmp(text, "500\n") == 0;
	(void)kill(ctx.init_pid, SIGKILL);
	(void)waitpid(ctx.init_pid, NULL, 0);
	return done ? 0 : 3;
}

/* 77: no user namespaces here. */
static int root_body(void *arg)
{
	struct op_become_root op = { .code = OP_BECOME_ROOT };
	struct stat before;
	struct stat after;

	(void)arg;
	fresh();
	ctx.unshare_as_root = CLONE_NEWIPC;
	if (stat("/proc/self/ns/ipc", &before) < 0 || unshare(CLONE_NEWUSER) < 0)
		return 77;
	if (write_file_at(AT_FDCWD, "/proc/self/setgroups", "deny") < 0 ||
		write_file_at(AT_FDCWD, "/proc/self/uid_map", "0 0 1") < 0 ||
		write_file_at(AT_FDCWD, "/proc/self/gid_map", "0 0 1") < 0)
		return 2;
	if (op_become_root(&ctx, &op, &failure) < 0 || stat("/proc/self/ns/ipc", &after) < 0)
		return 1;
	return before.st_ino != after.st_ino ? 0 : 1;
}

static void test_credentials(void)
{
	int status;

	OK(in_child(seccomp_body, NULL) == 0, "op_seccomp() installs a filter, and refuses half an instruction");
	if (geteuid() != 0) {
		tap_skip("credentials", "needs root");
		return;
	}
	OK(in_child(become, NULL) == 0,
		"op_bounding_set(), op_set_user(), op_capabilities() and op_ambient() leave exactly "
		"what was asked");
	OK(in_child(network_body, NULL) == 0, "op_loopback_up() and op_hostname() work in new namespaces");
	OK(in_child(limits_body, NULL) == 0, "op_rlimit() and op_oom_score_adj() set those of init");
	status = in_child(root_body, NULL);
	if (status == 77)
		tap_skip(
			"op_become_root() makes the ipc namespace that op_clone() left out", "no user namespaces here");
	else
		OK(status == 0, "op_become_root() makes the ipc namespace that op_clone() left out");
	status = in_child(keyring_body, NULL);
	if (status == 77)
		tap_skip("op_session_keyring() joins a keyring of the container's own", "no keyrings here");
	else
		OK(status == 0, "op_session_keyring() joins a keyring of the container's own");
}

int main(void)
{
	if (mkdtemp(directory) == NULL || chdir(directory) < 0 || mkdir("a", 0755) < 0 || mkdir("b", 0755) < 0 ||
		mkdir("etc", 0755) < 0)
		return 1;
	test_find();
	test_chdir();
	test_home();
	test_exec();
	test_credentials();
	(void)unlink("etc/passwd");
	(void)unlink("a/tool");
	(void)unlink("b/tool");
	(void)unlink("plain");
	(void)unlink("broken");
	(void)rmdir("a");
	(void)rmdir("b");
	(void)rmdir("etc");
	(void)chdir("/");
	(void)rmdir(directory);
	return tap_done();
}
