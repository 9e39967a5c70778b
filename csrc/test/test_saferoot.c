/*
 * SafeRoot against hostile trees: links out of the root, "..", chains, dangling links, and a process
 * that keeps exchanging a directory for a link while paths are made (CVE-2021-30465, CVE-2024-45310).
 */
#include <linux/fs.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "saferoot.h"
#include "scratch.h"

#define RACE_ROUNDS 3000

static int root;

static bool same_file(int fd, const char *path)
{
	struct stat a;
	struct stat b;

	return fd >= 0 && fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool opens(const char *path, const char *host_path)
{
	cleanup_fd int fd = saferoot_open(root, path, O_PATH);

	return same_file(fd, host_path);
}

static bool refuses(const char *path, int error)
{
	cleanup_fd int fd = saferoot_open(root, path, O_PATH);

	return fd < 0 && errno == error;
}

static bool makes_directory(const char *path, const char *host_path)
{
	cleanup_fd int fd = saferoot_mkdir(root, path, 0751);
	struct stat st;

	return same_file(fd, host_path) && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool makes_file(const char *path, const char *host_path)
{
	cleanup_fd int fd = saferoot_mkfile(root, path);
	struct stat st;

	return same_file(fd, host_path) && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static bool mkdir_fails(const char *path, int error)
{
	cleanup_fd int fd = saferoot_mkdir(root, path, 0755);

	return fd < 0 && errno == error;
}

static void test_open(void)
{
	must(mkdir(ROOT "/etc", 0755) == 0 && mkdir(ROOT "/tmp", 0755) == 0, "mkdir");
	must(symlink("/etc", ROOT "/absolute") == 0, "symlink");
	must(symlink("../../../../etc", ROOT "/etc/relative") == 0, "symlink");
	must(symlink(CANARY, ROOT "/out") == 0, "symlink");
	must(symlink("../canary", ROOT "/up") == 0, "symlink");
	must(symlink("loop", ROOT "/loop") == 0, "symlink");

	OK(opens("/", ROOT), "saferoot_open opens the root itself");
	OK(opens("/etc", ROOT "/etc"), "saferoot_open takes an absolute path from the root");
	OK(opens("etc", ROOT "/etc"), "saferoot_open takes a relative path from the root");
	OK(opens("../../etc", ROOT "/etc"), "saferoot_open stops .. at the root");
	OK(opens("absolute", ROOT "/etc"), "saferoot_open follows an absolute link inside the root");
	OK(opens("/etc/relative", ROOT "/etc"), "saferoot_open follows a link of many .. inside the root");
	OK(refuses("out/victim", ENOENT), "saferoot_open does not follow an absolute link out of the root");
	OK(refuses("up/victim", ENOENT), "saferoot_open does not follow a relative link out of the root");
	OK(refuses("loop", ELOOP), "saferoot_open refuses a loop");
	OK(refuses("", ENOENT), "saferoot_open refuses an empty path");
}

static void test_magic_link(void)
{
	must(mkdir(ROOT "/proc", 0755) == 0 && mount("proc", ROOT "/proc", "proc", 0, NULL) == 0, "proc");
	OK(refuses("/proc/self/root", ELOOP), "saferoot_open refuses a magic link");
	OK(mkdir_fails("/proc/self/cwd/x", ELOOP), "saferoot_mkdir refuses a magic link on the way");
	must(umount2(ROOT "/proc", MNT_DETACH) == 0, "umount");
}

static void test_mkdir(void)
{
	struct stat st;

	OK(makes_directory("a/b/c", ROOT "/a/b/c"), "saferoot_mkdir makes every missing component");
	OK(stat(ROOT "/a/b", &st) == 0 && (st.st_mode & 07777) == 0751, "saferoot_mkdir gives each the mode");
	OK(makes_directory("//a/./b//c/", ROOT "/a/b/c"), "saferoot_mkdir takes dots and double slashes");
	OK(makes_directory("a/b/../x/../../y", ROOT "/y"), "saferoot_mkdir takes .. off what is resolved");
	OK(exists(ROOT "/a/x"), "saferoot_mkdir makes what .. then leaves");
	OK(makes_directory("../../../z", ROOT "/z"), "saferoot_mkdir stops .. at the root");
	OK(makes_directory("out/made", ROOT CANARY "/made"),
		"saferoot_mkdir completes an absolute dangling link inside");
	OK(makes_directory("up/made", ROOT "/canary/made"), "saferoot_mkdir completes a relative dangling link inside");
	must(symlink("deep/er/est", ROOT "/a/dangling") == 0, "symlink");
	OK(makes_directory("a/dangling", ROOT "/a/deep/er/est"), "saferoot_mkdir completes a last dangling link");
	OK(mkdir_fails("loop/x", ELOOP), "saferoot_mkdir refuses a loop");
	OK(mkdir_fails("", ENOENT), "saferoot_mkdir refuses an empty path");
	must(close(open(ROOT "/file", O_WRONLY | O_CREAT, 0644)) == 0, "file");
	OK(mkdir_fails("file", ENOTDIR), "saferoot_mkdir refuses a file");
	OK(mkdir_fails("file/x", ENOTDIR), "saferoot_mkdir refuses a file on the way");
	must(mkdir(ROOT "/setgid", 0755) == 0 && chown(ROOT "/setgid", 0, 42) == 0 && chmod(ROOT "/setgid", 02755) == 0,
		"setgid");
	OK(makes_directory("setgid/x", ROOT "/setgid/x") && stat(ROOT "/setgid/x", &st) == 0 && st.st_gid == 42,
		"saferoot_mkdir inherits the group of a setgid directory");
	OK(canary_is_untouched(), "saferoot_mkdir leaves the outside alone");
}

static void test_limits(void)
{
	char text[8192];
	char name[32];

	for (int i = 0; i < 45; i++) {
		(void)snprintf(name, sizeof(name), ROOT "/chain%d", i);
		(void)snprintf(text, sizeof(text), "chain%d", i + 1);
		must(symlink(text, name) == 0, "symlink");
	}
	OK(makes_directory("chain5", ROOT "/chain45"), "saferoot_mkdir follows a chain of 40 dangling links");
	must(rmdir(ROOT "/chain45") == 0, "rmdir");
	OK(mkdir_fails("chain4", ELOOP), "saferoot_mkdir refuses a chain of 41 links");
	OK(mkdir_fails("chain0", ELOOP), "saferoot_mkdir refuses a chain of 45 links");
	memset(text, 'n', 255);
	text[255] = '\0';
	OK(saferoot_mkdir(root, text, 0755) >= 0, "saferoot_mkdir makes a name of 255 bytes");
	memset(text, 'n', 256);
	text[256] = '\0';
	OK(mkdir_fails(text, ENAMETOOLONG), "saferoot_mkdir refuses a name of 256 bytes");
	for (size_t i = 0; i < sizeof(text) - 2; i += 2)
		memcpy(text + i, "d/", 3);
	OK(mkdir_fails(text, ENAMETOOLONG), "saferoot_mkdir refuses a path of 8190 bytes");
	text[3000] = '\0';
	OK(saferoot_mkdir(root, text, 0755) >= 0, "saferoot_mkdir makes 1500 levels");
	must(symlink(text, ROOT "/deep") == 0, "symlink");
	(void)snprintf(text + 3000, sizeof(text) - 3000, "%s", "");
	memcpy(text, "deep/", 5);
	OK(mkdir_fails(text, ENAMETOOLONG), "saferoot_mkdir refuses a link that makes the path too long");
}

static void test_mkfile(void)
{
	struct stat st;

	OK(makes_file("f/g/h", ROOT "/f/g/h"), "saferoot_mkfile makes parents and file");
	OK(stat(ROOT "/f/g", &st) == 0 && (st.st_mode & 07777) == 0755, "saferoot_mkfile makes parents 0755");
	OK(makes_file("file", ROOT "/file"), "saferoot_mkfile opens an existing file");
	must(symlink("/q/r", ROOT "/dangling") == 0, "symlink");
	OK(makes_file("dangling", ROOT "/q/r"), "saferoot_mkfile completes a dangling link inside");
	must(symlink(CANARY "/new", ROOT "/outfile") == 0, "symlink");
	OK(makes_file("outfile", ROOT CANARY "/new"), "saferoot_mkfile completes a link that points outside, inside");
	OK(canary_is_untouched(), "saferoot_mkfile leaves the outside alone");
}

static void test_parent(void)
{
	const char *name = NULL;
	cleanup_fd int fd = saferoot_parent(root, "/dev/net/tun", &name);
	cleanup_fd int top = saferoot_parent(root, "top", &name);

	OK(same_file(fd, ROOT "/dev/net"), "saferoot_parent makes the parent");
	OK(same_file(top, ROOT) && strcmp(name, "top") == 0, "saferoot_parent of a bare name is the root");
	OK(saferoot_parent(root, "a/..", &name) < 0 && errno == EINVAL, "saferoot_parent refuses a last ..");
	OK(saferoot_parent(root, "a/", &name) < 0 && errno == EINVAL, "saferoot_parent refuses a last slash");
	OK(saferoot_parent(root, "", &name) < 0 && errno == EINVAL, "saferoot_parent refuses an empty path");
}

/* Exchanges a directory and a link to the outside until it is killed. */
static pid_t start_attacker(void)
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (pid > 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		(void)syscall(SYS_renameat2, AT_FDCWD, ROOT "/race/dir", AT_FDCWD, ROOT "/race/link", RENAME_EXCHANGE);
}

static void test_race(void)
{
	unsigned int escaped = 0;
	unsigned int failed = 0;
	char path[64];
	pid_t attacker;

	must(mkdir(ROOT "/race", 0755) == 0 && mkdir(ROOT "/race/dir", 0755) == 0, "mkdir");
	must(symlink(CANARY, ROOT "/race/link") == 0, "symlink");
	attacker = start_attacker();
	for (int i = 0; i < RACE_ROUNDS; i++) {
		cleanup_fd int fd = -1;

		(void)snprintf(path, sizeof(path), "race/dir/../dir/x%d/y", i % 100);
		fd = i % 2 == 0 ? saferoot_mkdir(root, path, 0755) : saferoot_mkfile(root, path);
		/* The file of a round may be the directory of another; that is no failure of the lookup. */
		if (fd < 0 && errno != ENOTDIR)
			failed++;
		if (!canary_is_untouched())
			escaped++;
	}
	must(kill(attacker, SIGKILL) == 0 && waitpid(attacker, NULL, 0) == attacker, "kill");
	printf("# %u of %d lookups failed\n", failed, RACE_ROUNDS);
	OK(escaped == 0, "saferoot_mkdir makes nothing outside while a directory is exchanged for a link");
	OK(failed <= RACE_ROUNDS / 1000, "saferoot_mkdir succeeds in 99.9 % of all races");
}

int main(void)
{
	root = scratch_root();
	test_open();
	test_mkdir();
	test_mkfile();
	test_parent();
	test_limits();
	test_magic_link();
	test_race();
	return tap_done();
}
