/*
 * The cgroup ops on the host's real hierarchies of cgroup v1, below /tsrun-v1-test-PID of the freezer's and the
 * cpuset's. Skipped without root and where these controllers are not bound to v1.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "build_plan.h"
#include "cgroup.h"
#include "child.h"
#include "cleanup.h"
#include "io.h"
#include "tap.h"

#define FREEZER "/sys/fs/cgroup/freezer"
#define CPUSET	"/sys/fs/cgroup/cpuset"
#define ONE	1 /* hierarchy */

static char base[64];
static struct build build;
static struct args args = { .status_fd = -1, .plan_fd = -1, .console_fd = -1, .id = "one" };
static struct context ctx;
static struct failure failure;
static int state_fd = -1;

static bool is_v1(const char *mount)
{
	struct statfs fs;

	return statfs(mount, &fs) == 0 && fs.f_type == CGROUP_SUPER_MAGIC && access(mount, W_OK) == 0;
}

static const char *full(const char *mount, const char *path)
{
	static char text[PATH_MAX];

	(void)snprintf(text, sizeof(text), "%s/%s%s", mount, base, path);
	return text;
}

static bool exists(const char *mount, const char *path)
{
	return access(full(mount, path), F_OK) == 0;
}

static bool reads(const char *mount, const char *path, char *text, size_t size)
{
	cleanup_fd int fd = open(full(mount, path), O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read_upto(fd, text, size - 1);

	text[length < 0 ? 0 : length] = '\0';
	return length >= 0;
}

static void fresh(const char *id)
{
	args.id = id;
	context_init(&ctx, &args);
	ctx.state_fd = state_fd;
	memset(&failure, 0, sizeof(failure));
	build_start(&build);
}

static plan_str_t below_base(const char *path)
{
	char text[PATH_MAX];

	(void)snprintf(text, sizeof(text), "/%s%s", base, path);
	return build_str(&build, text);
}

static int create(const char *mount, const char *path, uint32_t flags)
{
	struct op_cgroup_create_v1 op = { .code = OP_CGROUP_CREATE_V1, .hierarchy = ONE, .flags = flags };

	fresh("one");
	op.mount = build_str(&build, mount);
	op.path = below_base(path);
	op.controllers = build_str(&build, strrchr(mount, '/') + 1);
	ctx.plan = build_finish(&build);
	ctx.state_made = true;
	return op_cgroup_create_v1(&ctx, &op, &failure);
}

/* As the delete verb: what create knew comes from the runtime record. */
static int destroy(const char *mount, const char *path, uint32_t made)
{
	struct op_cgroup_kill_v1 op_kill = { .code = OP_CGROUP_KILL_V1, .hierarchy = ONE };
	struct op_cgroup_remove op = { .code = OP_CGROUP_REMOVE, .hierarchy = ONE };

	close_fd(&ctx.v1_fds[ONE]);
	fresh("one");
	op.mount = op_kill.mount = build_str(&build, mount);
	op.path = op_kill.path = below_base(path);
	ctx.plan = build_finish(&build);
	ctx.v1_dirs_made[ONE] = made;
	if (strcmp(mount, FREEZER) == 0 && op_cgroup_kill_v1(&ctx, &op_kill, &failure) < 0)
		return -1;
	return op_cgroup_remove(&ctx, &op, &failure);
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	return pid;
}

static int join(pid_t pid)
{
	struct op_cgroup_join op = { .code = OP_CGROUP_JOIN, .hierarchy = ONE };

	ctx.init_pid = pid;
	return op_cgroup_join(&ctx, &op, &failure);
}

static int write_op(const char *file, const char *value)
{
	struct op_cgroup_write op = { .code = OP_CGROUP_WRITE, .hierarchy = ONE };

	build_start(&build);
	op.file = build_str(&build, file);
	op.value = build_str(&build, value);
	ctx.plan = build_finish(&build);
	return op_cgroup_write(&ctx, &op, &failure);
}

static bool is_in(pid_t pid, const char *path)
{
	char name[128];
	char text[CGROUP_LINES_MAX];
	cleanup_fd int fd = -1;
	ssize_t length;

	(void)snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	length = fd < 0 ? -1 : read_upto(fd, text, sizeof(text) - 1);
	text[length < 0 ? 0 : length] = '\0';
	(void)snprintf(name, sizeof(name), "/%s%s\n", base, path);
	return strstr(text, name) != NULL;
}

static void test_cpuset(void)
{
	char text[256];
	pid_t pid = sleeper();

	OK(create(CPUSET, "/a/\001I", CGROUP_INHERIT_CPUSET) == 0 && exists(CPUSET, "/a/one"),
		"op_cgroup_create_v1() makes the path");
	OK(reads(CPUSET, "/a/cpuset.cpus", text, sizeof(text)) && text[0] >= '0' &&
			reads(CPUSET, "/a/one/cpuset.mems", text, sizeof(text)) && text[0] >= '0',
		"with the CPUs and memory nodes of what is above, at each level");
	OK(join(pid) == 0 && is_in(pid, "/a/one"), "op_cgroup_join() puts init there");
	OK(write_op("cpuset.cpus", "0") == 0 && reads(CPUSET, "/a/one/cpuset.cpus", text, sizeof(text)) &&
			strcmp(text, "0\n") == 0,
		"op_cgroup_write() writes into the hierarchy it is told");
	OK(write_op("cpuset.cpus", "99999") < 0 && failure.error != 0, "what the kernel refuses is a failure");
	OK(write_op("../cpuset.cpus", "0") < 0, "op_cgroup_write() writes nowhere else");
	close_fd(&ctx.v1_fds[ONE]);
	OK(create(CPUSET, "/a/\001I", CGROUP_INHERIT_CPUSET) < 0 && failure.problem == PROBLEM_BUSY,
		"op_cgroup_create_v1() takes none that holds processes");
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	OK(destroy(CPUSET, "/a/\001I", 3) == 0 && !exists(CPUSET, ""), "op_cgroup_remove() takes all that was made");
	OK(destroy(CPUSET, "/a/\001I", 3) == 0, "and is content when it is gone already");
}

static void test_freezer(void)
{
	pid_t outer = sleeper();
	pid_t inner = sleeper();

	OK(create(FREEZER, "/\001I", CGROUP_FREEZER) == 0 && join(outer) == 0, "a cgroup of the freezer");
	OK(mkdir(full(FREEZER, "/one/below"), 0755) == 0 && write_op("freezer.state", "FROZEN") == 0, "that is frozen");
	close_fd(&ctx.v1_fds[ONE]);
	ctx.v1_fds[ONE] = open(full(FREEZER, "/one/below"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	OK(join(inner) == 0 && is_in(inner, "/one/below"), "with another below, and a process in each");
	OK(destroy(FREEZER, "/\001I", 2) == 0 && !exists(FREEZER, ""),
		"op_cgroup_kill_v1() empties both, frozen as they are, and op_cgroup_remove() removes them");
	OK(waitpid(outer, NULL, WNOHANG) == outer && waitpid(inner, NULL, WNOHANG) == inner, "all in it is dead");
	OK(destroy(FREEZER, "/nothing", 0) == 0, "an absent cgroup is success");
}

int main(void)
{
	(void)snprintf(base, sizeof(base), "tsrun-v1-test-%d", getpid());
	if (geteuid() != 0 || !is_v1(FREEZER) || !is_v1(CPUSET)) {
		tap_skip("cgroup v1 ops", "needs root, and freezer and cpuset in hierarchies of cgroup v1");
		return tap_done();
	}
	test_cpuset();
	test_freezer();
	return tap_done();
}
