/* The cgroup ops on the host's real cgroup2 hierarchy, below /tsrun-test-PID. Skipped without root. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "build_plan.h"
#include "cgroup.h"
#include "child.h"
#include "cleanup.h"
#include "io.h"
#include "tap.h"

static const char *mount_point;
static char base[64];
static struct build build;
static struct args args = { .status_fd = -1, .plan_fd = -1, .console_fd = -1, .id = "one" };
static struct context ctx;
static struct failure failure;
static int state_fd = -1;

static bool find_mount(void)
{
	static const char *const CANDIDATES[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs fs;

	for (size_t i = 0; i < 2; i++)
		if (statfs(CANDIDATES[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
			mount_point = CANDIDATES[i];
	return mount_point != NULL && geteuid() == 0 && access(mount_point, W_OK) == 0;
}

static const char *full(const char *path)
{
	static char text[PATH_MAX];

	(void)snprintf(text, sizeof(text), "%s/%s%s", mount_point, base, path);
	return text;
}

static bool exists(const char *path)
{
	return access(full(path), F_OK) == 0;
}

static void fresh(const char *id)
{
	args.id = id;
	context_init(&ctx, &args);
	ctx.state_fd = state_fd;
	memset(&failure, 0, sizeof(failure));
	build_start(&build);
}

static plan_str_t str(const char *text)
{
	return build_str(&build, text);
}

static plan_str_t below_base(const char *path)
{
	char text[PATH_MAX];

	(void)snprintf(text, sizeof(text), "/%s%s", base, path);
	return str(text);
}

static int create(const char *id, const char *path, const char *controllers, const char *wanted)
{
	struct op_cgroup_create op = { .code = OP_CGROUP_CREATE };

	fresh(id);
	op.mount = str(mount_point);
	op.path = below_base(path);
	op.controllers = str(controllers);
	op.wanted = str(wanted);
	ctx.plan = build_finish(&build);
	ctx.state_made = true;
	return op_cgroup_create(&ctx, &op, &failure);
}

/* As the delete verb: what create knew comes from the runtime record. */
static int destroy(const char *id, const char *path, uint32_t made)
{
	struct op_cgroup_kill op_kill = { .code = OP_CGROUP_KILL };
	struct op_cgroup_remove op = { .code = OP_CGROUP_REMOVE };

	close_fd(&ctx.cgroup_fd);
	fresh(id);
	op.mount = op_kill.mount = str(mount_point);
	op.path = op_kill.path = below_base(path);
	ctx.plan = build_finish(&build);
	ctx.cgroup_dirs_made = made;
	if (op_cgroup_kill(&ctx, &op_kill, &failure) < 0)
		return -1;
	return op_cgroup_remove(&ctx, &op, &failure);
}

static pid_t sleeper_in(const char *path)
{
	char text[16];
	pid_t pid = fork();
	int dir;

	if (pid == 0) {
		pause();
		_exit(0);
	}
	dir = open(full(path), O_PATH);
	(void)snprintf(text, sizeof(text), "%d", pid);
	if (write_file_at(dir, "cgroup.procs", text) < 0)
		printf("# cannot fill %s: %d\n", path, errno);
	close(dir);
	return pid;
}

static void stop(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void test_path(void)
{
	char path[PATH_MAX];

	fresh("abc");
	OK(cgroup_path(&ctx, "//a/./b//\001I/", path, &failure) == 0 && strcmp(path, "a/b/abc") == 0,
		"cgroup_path() normalises and fills the id in");
	OK(cgroup_path(&ctx, "/a/../b", path, &failure) < 0 && failure.error == EINVAL, "cgroup_path() refuses ..");
	OK(cgroup_path(&ctx, "/", path, &failure) < 0, "cgroup_path() refuses the root cgroup");
	fresh("..");
	OK(cgroup_path(&ctx, "/a/\001I", path, &failure) < 0, "cgroup_path() refuses .. that comes from a slot");
}

static void test_create_remove(void)
{
	OK(create("one", "/a/b/\001I", "", "") == 0 && ctx.cgroup_dirs_made == 4 && exists("/a/b/one"),
		"op_cgroup_create() makes the path and counts what it made");
	OK(destroy("one", "/a/b/\001I", 4) == 0 && !exists(""),
		"op_cgroup_remove() removes the parents that create made");
	OK(destroy("one", "/a/b/\001I", 4) == 0, "op_cgroup_remove() is content when all is gone already");

	mkdir(full(""), 0755);
	OK(create("one", "/a/\001I", "", "") == 0 && destroy("one", "/a/\001I", 2) == 0 && exists("") && !exists("/a"),
		"op_cgroup_remove() leaves a parent that was there before");
	OK(create("one", "/a/\001I", "", "") == 0 && destroy("one", "/a/\001I", 0) == 0 && !exists("/a") && exists(""),
		"op_cgroup_remove() finds what a killed create made, without its record");
	mkdir(full("/mine"), 0755);
	OK(create("one", "/mine", "", "") == 0 && ctx.cgroup_dirs_made == 0 && destroy("one", "/mine", 0) == 0 &&
			exists("/mine"),
		"op_cgroup_remove() leaves a cgroup that create found");
	rmdir(full("/mine"));
}

/* Between mkdir(2) and the mark: only the note in the state directory tells. */
static void test_killed_create(void)
{
	char directory[] = "/tmp/tsrun-cgroup-XXXXXX";

	if (mkdtemp(directory) == NULL)
		return;
	state_fd = open(directory, O_RDONLY | O_DIRECTORY);
	mkdir(full("/old"), 0755);
	create("one", "/old/a/one", "", "");
	(void)removexattr(full("/old/a/one"), "trusted.tsrun");
	(void)removexattr(full("/old/a"), "trusted.tsrun");
	OK(destroy("one", "/old/a/one", 0) == 0 && !exists("/old/a") && exists("/old"),
		"op_cgroup_remove() finds what a create made that was killed before it could mark it");
	mkdir(full("/old/a"), 0755);
	OK(destroy("one", "/old/a/one", 0) == 0 && !exists("/old/a") && exists("/old"),
		"op_cgroup_remove() finds the parents when create was killed before the leaf");
	(void)unlinkat(state_fd, "cgroup", 0);
	mkdir(full("/old/a"), 0755);
	OK(destroy("one", "/old/a/one", 0) == 0 && exists("/old/a"),
		"op_cgroup_remove() leaves them without that note");
	rmdir(full("/old/a"));
	rmdir(full("/old"));
	close(state_fd);
	state_fd = -1;
	rmdir(directory);
}

static void test_two_containers(void)
{
	OK(create("one", "/p/one", "", "") == 0 && create("two", "/p/two", "", "") == 0,
		"two containers share a parent");
	OK(destroy("one", "/p/one", 2) == 0 && exists("/p/two"), "the first one's delete leaves the other's cgroup");
	OK(destroy("two", "/p/two", 1) == 0 && !exists("/p"),
		"the last one's delete removes the parent, whoever made it");

	OK(create("one", "/same", "", "") == 0 && create("two", "/same", "", "") == 0,
		"op_cgroup_create() takes an empty cgroup of an ended container over");
	pid_t pid = sleeper_in("/same");
	OK(destroy("one", "/same", 1) == 0 && exists("/same") && kill(pid, 0) == 0,
		"the old owner's delete neither kills nor removes what is another container's now");
	OK(destroy("two", "/same", 0) == 0 && !exists("/same"), "the new owner's delete does");
	stop(pid);
}

static void test_refusals(void)
{
	char text[16];
	pid_t pid;

	mkdir(full("/busy"), 0755);
	pid = sleeper_in("/busy");
	(void)snprintf(text, sizeof(text), "%d\n", pid);
	OK(create("one", "/busy", "", "") < 0 && failure.problem == PROBLEM_BUSY && ctx.cgroup_fd < 0 &&
			failure.detail_length == strlen(text) && memcmp(failure.detail, text, strlen(text)) == 0,
		"op_cgroup_create() refuses a cgroup with processes and names them");
	stop(pid);
	rmdir(full("/busy"));

	mkdir(full("/ice"), 0755);
	int fd = open(full("/ice"), O_PATH);
	(void)write_file_at(fd, "cgroup.freeze", "1");
	OK(create("one", "/ice", "", "") < 0 && failure.problem == PROBLEM_BUSY &&
			strcmp(failure.syscall, "cgroup.freeze") == 0,
		"op_cgroup_create() refuses a frozen cgroup");
	OK(create("one", "/ice/new", "", "") < 0 && strcmp(failure.syscall, "cgroup.freeze") == 0 &&
			destroy("one", "/ice/new", 0) == 0 && !exists("/ice/new"),
		"op_cgroup_create() refuses to make one below a frozen cgroup");
	(void)write_file_at(fd, "cgroup.freeze", "0");
	(void)write_file_at(fd, "cgroup.type", "threaded");
	OK(create("one", "/ice/new", "", "") < 0 && failure.error == EOPNOTSUPP && destroy("one", "/ice/new", 0) == 0,
		"op_cgroup_create() refuses a cgroup below a threaded one");
	close(fd);
	rmdir(full("/ice"));
}

static void test_controllers(void)
{
	int root = open(mount_point, O_PATH);
	char before[256] = "";

	(void)read_file_at(root, "cgroup.subtree_control", before, sizeof(before));
	OK(create("one", "/c/one", "+nonesuch", "") < 0 && failure.error == EINVAL && failure.detail_length == 10 &&
			memcmp(failure.detail, "/\0nonesuch", 10) == 0,
		"op_cgroup_create() names the cgroup and the controller that cannot be enabled");
	OK(destroy("one", "/c/one", 0) == 0 && create("one", "/c/one", "", "+nonesuch +hugetlb") == 0,
		"op_cgroup_create() lets be what is only wanted");
	if (access(full("/c/one/hugetlb.2MB.max"), F_OK) == 0)
		OK(true, "op_cgroup_create() enables those of wanted that there are");
	else
		tap_skip("op_cgroup_create() enables those of wanted that there are",
			"no hugetlb controller in cgroup2");
	OK(destroy("one", "/c/one", 2) == 0 && !exists("/c"), "the cgroup goes with controllers enabled above it");
	(void)destroy("one", "", 1);
	if (strstr(before, "hugetlb") == NULL)
		(void)write_file_at(root, "cgroup.subtree_control", "-hugetlb");
	close(root);
}

static int write_op(const char *file, const char *value, uint32_t flags)
{
	struct op_cgroup_write op = { .code = OP_CGROUP_WRITE, .flags = flags };

	op.file = str(file);
	op.value = str(value);
	ctx.plan = build_finish(&build);
	return op_cgroup_write(&ctx, &op, &failure);
}

static int write_either(const char *file, const char *other)
{
	struct op_cgroup_write_either op = { .code = OP_CGROUP_WRITE_EITHER };

	op.file = str(file);
	op.other_file = str(other);
	op.value = op.other_value = str("7");
	ctx.plan = build_finish(&build);
	return op_cgroup_write_either(&ctx, &op, &failure);
}

static void test_write(void)
{
	char text[16] = "";

	create("one", "/w", "", "");
	OK(write_op("cgroup.max.depth", "3", 0) == 0 &&
			read_file_at(ctx.cgroup_fd, "cgroup.max.depth", text, 16) == 2 && text[0] == '3',
		"op_cgroup_write() writes the value");
	OK(write_op("../cgroup.max.depth", "3", 0) < 0 && write_op("..", "3", 0) < 0 && write_op("", "3", 0) < 0 &&
			write_op("/etc/passwd", "3", WRITE_IGNORE_MISSING) < 0 && failure.error == EINVAL,
		"op_cgroup_write() takes the name of a file and no path");
	OK(write_op("no.such", "3", 0) < 0 && failure.error == ENOENT,
		"op_cgroup_write() fails for a file that is missing");
	OK(write_op("no.such", "3", WRITE_IGNORE_MISSING) == 0, "op_cgroup_write() ignores it with IGNORE_MISSING");
	OK(write_either("no.such", "cgroup.max.depth") == 0 &&
			read_file_at(ctx.cgroup_fd, "cgroup.max.depth", text, 16) == 2 && text[0] == '7',
		"op_cgroup_write_either() writes the other file where the first is missing");
	OK(write_either("no.such", "nor.this") < 0, "op_cgroup_write_either() fails when both are missing");
	destroy("one", "/w", 1);
}

static void test_kill(void)
{
	char path[PATH_MAX] = "/k";
	pid_t outer;
	pid_t inner;

	create("one", "/k", "", "");
	for (int i = 0; i < 60; i++) {
		strcat(path, "/d");
		mkdir(full(path), 0755);
	}
	mkdir(full("/k/e"), 0755);
	outer = sleeper_in("/k");
	inner = sleeper_in(path);
	OK(destroy("one", "/k", 1) == 0 && !exists("/k"),
		"op_cgroup_kill() empties it and op_cgroup_remove() takes it down, "
		"however deep it is nested");
	OK(waitpid(outer, NULL, WNOHANG) == outer && waitpid(inner, NULL, WNOHANG) == inner, "all in it is dead");

	create("one", "/k", "", "");
	outer = sleeper_in("/k");
	(void)write_file_at(ctx.cgroup_fd, "cgroup.freeze", "1");
	OK(destroy("one", "/k", 1) == 0 && !exists("/k"), "a frozen cgroup is killed all the same");
	stop(outer);

	create("one", "/k", "", "");
	outer = sleeper_in("/k");
	destroy("one", "/nothing", 0);
	OK(kill(outer, 0) == 0, "op_cgroup_kill() of an absent cgroup is success");
	stop(outer);
	destroy("one", "/k", 1);
}

static int filter(int32_t verdict, uint32_t flags)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = verdict },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct op_cgroup_devices op = { .code = OP_CGROUP_DEVICES, .flags = flags };

	/* Verdict 2 stands for a program that the verifier refuses: it ends without an exit. */
	op.program = build_blob(&build, program, verdict == 2 ? 8 : sizeof(program));
	ctx.plan = build_finish(&build);
	return op_cgroup_devices(&ctx, &op, &failure);
}

static int opens_null(void *arg)
{
	char text[16];

	(void)arg;
	(void)snprintf(text, sizeof(text), "%d", getpid());
	if (write_file_at(ctx.cgroup_fd, "cgroup.procs", text) < 0)
		return 2;
	return open("/dev/null", O_RDONLY) < 0 ? 1 : 0;
}

static void test_devices(void)
{
	create("one", "/bpf", "", "");
	if (filter(0, 0) < 0 && (failure.error == EPERM || failure.error == ENOSYS)) {
		tap_skip("op_cgroup_devices() attaches a filter", "no bpf(2) here");
	} else {
		OK(in_child(opens_null, NULL) == 1, "op_cgroup_devices() attaches a filter that denies");
		OK(filter(1, 0) == 0 && in_child(opens_null, NULL) == 0, "op_cgroup_devices() replaces the one before");
		OK(filter(2, 0) < 0 && failure.detail_length > 0, "op_cgroup_devices() gives the verifier's words");
		OK(filter(2, BPF_IGNORE_ERRORS) == 0, "op_cgroup_devices() lets be what IGNORE_ERRORS says");
	}
	destroy("one", "/bpf", 1);
}

int main(void)
{
	(void)snprintf(base, sizeof(base), "tsrun-c-test-%d", getpid());
	test_path();
	if (!find_mount()) {
		tap_skip("cgroup ops", "needs root and a writable cgroup2 mount");
		return tap_done();
	}
	test_create_remove();
	test_killed_create();
	test_two_containers();
	test_refusals();
	test_controllers();
	test_write();
	test_kill();
	test_devices();
	(void)rmdir(full(""));
	OK(!exists(""), "nothing of the test is left");
	return tap_done();
}
