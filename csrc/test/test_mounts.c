/*
 * The mount ops in a real mount namespace: OPEN_ROOTFS, MOUNT_FS, MOUNT_LEGACY, MOUNT_BIND, SET_MOUNT_ATTR,
 * REMOUNT, MASK_PATH, READONLY_PATH.
 */
#include <linux/fs.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "harness.h"
#include "sys.h"

#define RACE_ROUNDS 500

static bool is_type(const char *path, long type)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == type;
}

static unsigned long mount_flags(const char *path)
{
	struct statvfs fs;

	return statvfs(path, &fs) == 0 ? fs.f_flag : 0;
}

static bool has_mode(const char *path, mode_t mode, uid_t uid)
{
	struct stat st;

	return lstat(path, &st) == 0 && (st.st_mode & 07777) == mode && st.st_uid == uid;
}

static void test_rootfs(void)
{
	must(symlink(ROOT, "/tmp/link") == 0, "symlink");
	OK(failed_as(RUN(open_rootfs, .path = str("/tmp/link"), .slot = NO_SLOT), PROBLEM_SYSCALL, ENOTDIR),
		"OPEN_ROOTFS refuses a symlink");
	OK(failed_as(RUN(open_rootfs, .path = str(CANARY "/victim"), .slot = NO_SLOT), PROBLEM_SYSCALL, ENOTDIR),
		"OPEN_ROOTFS refuses a file");
	OK(failed_as(RUN(open_rootfs, .path = str("/tmp/none"), .slot = NO_SLOT), PROBLEM_SYSCALL, ENOENT),
		"OPEN_ROOTFS refuses a missing directory");
	OK(failed_as(RUN(open_rootfs, .path = str(ROOT), .slot = 7), PROBLEM_BAD_PLAN, EBADF),
		"OPEN_ROOTFS refuses an empty slot");
	OK(succeeded(RUN(open_source, .slot = 7, .flags = SOURCE_RECURSIVE, .path = str(ROOT))),
		"OPEN_SOURCE fills a slot");
	OK(succeeded(RUN(open_rootfs, .path = str(ROOT), .slot = 7)), "OPEN_ROOTFS takes a tree from a slot");
}

static void test_mount_fs(void)
{
	must(mkdir(ROOT "/run", 0751) == 0 && chown(ROOT "/run", 5, 6) == 0, "mkdir");
	OK(succeeded(RUN(mount_fs, .type = str("tmpfs"), .source = str("tmpfs"), .dest = str("/run"),
		   .options = STRV("size=64k"), .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME,
		   .attr_clr = MOUNT_ATTR__ATIME, .propagation = MS_PRIVATE, .flags = MOUNT_INHERIT_MODE)),
		"MOUNT_FS mounts a tmpfs");
	OK(is_type(ROOT "/run", TMPFS_MAGIC) && (mount_flags(ROOT "/run") & (ST_NOSUID | ST_RELATIME)) == ST_NOSUID,
		"MOUNT_FS sets attributes");
	OK(has_mode(ROOT "/run", 0751, 5), "MOUNT_FS takes mode and owner of the directory it covers");
	OK(succeeded(RUN(mount_fs, .type = str("tmpfs"), .source = str(""), .dest = str("/new/tmp"), .options = NO_STRV,
		   .flags = MOUNT_INHERIT_MODE)),
		"MOUNT_FS makes a missing destination");
	OK(has_mode(ROOT "/new", 0755, 0) && has_mode(ROOT "/new/tmp", 01777, 0),
		"MOUNT_FS leaves the mode to the file system when the directory was missing");
	OK(failed_as(RUN(mount_fs, .type = str("tmpfs"), .source = str("x"), .dest = str("/run"),
			     .options = STRV("nr_inodes=8", "frobnicate=1")),
		   PROBLEM_SYSCALL, EINVAL) &&
			detail_has("frobnicate=1\n") && detail_has("Unknown parameter 'frobnicate'"),
		"MOUNT_FS reports the option and what the kernel says about it");
	OK(failed_as(RUN(mount_fs, .type = str("nonefs"), .source = str("x"), .dest = str("/run"), .options = NO_STRV),
		   PROBLEM_SYSCALL, ENODEV),
		"MOUNT_FS refuses an unknown file system");
	OK(succeeded(RUN(mount_fs, .type = str("tmpfs"), .source = str("x"), .dest = str("/ro"), .options = NO_STRV,
		   .sb_flags = MS_RDONLY)) &&
			failed_as(RUN(make_directory, .path = str("/ro/x")), PROBLEM_SYSCALL, EROFS),
		"MOUNT_FS sets superblock flags");
	OK(succeeded(RUN(remount, .dest = str("/ro"), .options = STRV("rw"), .sb_flags = 0)) &&
			succeeded(RUN(make_directory, .path = str("/ro/x"))),
		"REMOUNT reconfigures the file system");
}

static void test_real_directory(void)
{
	must(symlink("/run", ROOT "/proc") == 0, "symlink");
	OK(failed_as(RUN(mount_fs, .type = str("proc"), .source = str("proc"), .dest = str("/proc"), .options = NO_STRV,
			     .flags = MOUNT_REAL_DIRECTORY),
		   PROBLEM_NOT_REAL_DIRECTORY, ENOTDIR),
		"MOUNT_FS with REAL_DIRECTORY refuses a symlink");
	must(unlink(ROOT "/proc") == 0, "unlink");
	OK(succeeded(RUN(mount_fs, .type = str("proc"), .source = str("proc"), .dest = str("/proc"), .options = NO_STRV,
		   .attr_set = MOUNT_ATTR_NOEXEC, .flags = MOUNT_REAL_DIRECTORY)) &&
			is_type(ROOT "/proc", PROC_SUPER_MAGIC),
		"MOUNT_FS mounts proc on a real directory");
	OK(succeeded(RUN(mount_fs, .type = str("sysfs"), .source = str("sysfs"), .dest = str("/sys"),
		   .options = NO_STRV, .attr_set = MOUNT_ATTR_RDONLY, .flags = MOUNT_REAL_DIRECTORY)) &&
			is_type(ROOT "/sys", SYSFS_MAGIC) && (mount_flags(ROOT "/sys") & ST_RDONLY) != 0,
		"MOUNT_FS mounts sysfs");
}

static void test_copy_up(void)
{
	const struct timespec times[2] = { { 1000, 0 }, { 2000, 500 } };
	struct stat st;

	must(mkdir(ROOT "/etc", 0755) == 0 && mkdir(ROOT "/etc/sub", 0700) == 0, "mkdir");
	must(make_file(ROOT "/etc/sub/file", "content") && chmod(ROOT "/etc/sub/file", 04711) == 0, "file");
	must(lchown(ROOT "/etc/sub/file", 7, 8) == 0 && chmod(ROOT "/etc/sub/file", 04711) == 0, "chown");
	must(utimensat(AT_FDCWD, ROOT "/etc/sub/file", times, 0) == 0, "times");
	must(symlink("/tmp/canary/victim", ROOT "/etc/link") == 0 && lchown(ROOT "/etc/link", 9, 9) == 0, "symlink");
	must(mknod(ROOT "/etc/null", S_IFCHR | 0666, makedev(1, 3)) == 0 && mkfifo(ROOT "/etc/fifo", 0600) == 0,
		"nodes");
	OK(succeeded(RUN(mount_fs, .type = str("tmpfs"), .source = str("tmpfs"), .dest = str("/etc"),
		   .options = NO_STRV, .attr_set = MOUNT_ATTR_RDONLY, .flags = MOUNT_COPY_UP | MOUNT_INHERIT_MODE)),
		"MOUNT_FS with COPY_UP mounts");
	OK(is_type(ROOT "/etc", TMPFS_MAGIC) && file_is(ROOT "/etc/sub/file", "content"), "COPY_UP copies files");
	OK(has_mode(ROOT "/etc/sub/file", 04711, 7) && has_mode(ROOT "/etc/sub", 0700, 0),
		"COPY_UP keeps modes and owners");
	OK(lstat(ROOT "/etc/sub/file", &st) == 0 && st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 500,
		"COPY_UP keeps times");
	OK(lstat(ROOT "/etc/link", &st) == 0 && S_ISLNK(st.st_mode) && st.st_uid == 9, "COPY_UP copies links as links");
	OK(lstat(ROOT "/etc/null", &st) == 0 && st.st_rdev == makedev(1, 3), "COPY_UP copies devices");
	OK(lstat(ROOT "/etc/fifo", &st) == 0 && S_ISFIFO(st.st_mode), "COPY_UP copies FIFOs");
	OK(unlink(ROOT "/etc/link") < 0 && errno == EROFS, "COPY_UP makes the mount read-only afterwards");
	OK(failed_as(RUN(mount_fs, .type = str("tmpfs"), .source = str("tmpfs"), .dest = str("/etc"),
			     .options = STRV("nr_inodes=3"), .flags = MOUNT_COPY_UP),
		   PROBLEM_SYSCALL, ENOSPC),
		"COPY_UP fails when the file system is too small");
}

static void test_legacy(void)
{
	OK(succeeded(RUN(mount_legacy, .type = str("tmpfs"), .source = str("old"), .dest = str("/legacy"),
		   .data = str("size=64k,mode=700"), .ms_flags = MS_NODEV, .propagation = MS_PRIVATE)),
		"MOUNT_LEGACY mounts");
	OK(is_type(ROOT "/legacy", TMPFS_MAGIC) && has_mode(ROOT "/legacy", 0700, 0) &&
			(mount_flags(ROOT "/legacy") & ST_NODEV) != 0,
		"MOUNT_LEGACY passes data and flags");
	must(symlink(CANARY, ROOT "/out") == 0, "symlink");
	OK(succeeded(RUN(mount_legacy, .type = str("tmpfs"), .source = str("x"), .dest = str("/out"), .data = str(""),
		   .ms_flags = 0)) &&
			is_type(ROOT CANARY, TMPFS_MAGIC) && canary_is_untouched(),
		"MOUNT_LEGACY follows a link inside the root only");
}

static int bind_mount(const char *source, const char *dest, uint64_t attr_set)
{
	return RUN(mount_bind, .source = str(source), .slot = NO_SLOT, .dest = str(dest), .flags = MOUNT_RECURSIVE,
		.attr_set = attr_set);
}

static void test_bind(void)
{
	must(mkdir("/tmp/source", 0755) == 0 && make_file("/tmp/source/data", "data"), "source");
	OK(succeeded(bind_mount("/tmp/source", "/b/dir", MOUNT_ATTR_RDONLY)) && file_is(ROOT "/b/dir/data", "data"),
		"MOUNT_BIND binds a directory on a missing one");
	OK(is_read_only(ROOT "/b/dir/data") && !is_read_only("/tmp/source/data"),
		"MOUNT_BIND sets attributes of the bind only");
	OK(succeeded(bind_mount("/tmp/source/data", "/b/file", 0)) && file_is(ROOT "/b/file", "data"),
		"MOUNT_BIND binds a file on a missing one");
	OK(succeeded(bind_mount(ROOT "/b/dir/data", "/b/again", 0)) && is_read_only(ROOT "/b/again"),
		"MOUNT_BIND sees an earlier mount of the list in its source, flags included");
	OK(failed_as(bind_mount("/tmp/none", "/b/x", 0), PROBLEM_SYSCALL, ENOENT),
		"MOUNT_BIND refuses a missing source");
	OK(failed_as(bind_mount("/tmp/source", "/b/file", 0), PROBLEM_SYSCALL, ENOTDIR),
		"MOUNT_BIND refuses a directory on a file");
	must(symlink(CANARY "/deep", ROOT "/b/dangling") == 0, "symlink");
	OK(succeeded(bind_mount("/tmp/source", "/b/dangling/x", 0)) && exists(ROOT CANARY "/deep/x/data") &&
			canary_is_untouched(),
		"MOUNT_BIND completes a dangling link in the destination inside the root");
	OK(succeeded(RUN(set_mount_attr, .dest = str("/b/dir"), .attr_clr = MOUNT_ATTR_RDONLY,
		   .attr_set = MOUNT_ATTR_NODEV)) &&
			!is_read_only(ROOT "/b/dir/data") && (mount_flags(ROOT "/b/dir") & ST_NODEV) != 0,
		"SET_MOUNT_ATTR changes what it names");
	OK(failed_as(RUN(set_mount_attr, .dest = str("/b"), .attr_set = MOUNT_ATTR_NODEV), PROBLEM_SYSCALL, EINVAL),
		"SET_MOUNT_ATTR refuses what is not a mount");
}

static void test_masks(void)
{
	struct stat st;

	must(mkdir(ROOT "/m", 0755) == 0 && mkdir(ROOT "/m/d1", 0755) == 0 && mkdir(ROOT "/m/d2", 0755) == 0, "mkdir");
	must(make_file(ROOT "/m/secret", "secret") && make_file(ROOT "/m/d1/secret", "secret"), "files");
	OK(succeeded(RUN(mask_path, .path = str("/m/secret"))) && stat(ROOT "/m/secret", &st) == 0 &&
			st.st_rdev == makedev(1, 3),
		"MASK_PATH puts /dev/null over a file");
	OK(succeeded(RUN(mask_path, .path = str("/m/d1"))) && count_entries(ROOT "/m/d1") == 0,
		"MASK_PATH empties a directory");
	OK(mkdir(ROOT "/m/d1/x", 0755) < 0 && errno == EROFS, "MASK_PATH makes it read-only");
	OK(succeeded(RUN(mask_path, .path = str("/m/d2"))) && stat(ROOT "/m/d1", &st) == 0,
		"MASK_PATH masks another directory");
	{
		struct stat other;

		OK(stat(ROOT "/m/d2", &other) == 0 && other.st_dev == st.st_dev,
			"MASK_PATH uses one file system for all");
	}
	OK(succeeded(RUN(mask_path, .path = str("/m/none"))) && succeeded(RUN(mask_path, .path = str("/m/secret/x"))),
		"MASK_PATH skips a missing path");
	OK(succeeded(RUN(readonly_path, .path = str("/legacy"))) &&
			failed_as(RUN(make_directory, .path = str("/legacy/x")), PROBLEM_SYSCALL, EROFS),
		"READONLY_PATH makes a path read-only");
	OK((mount_flags(ROOT "/legacy") & ST_NODEV) != 0, "READONLY_PATH keeps the other flags");
	OK(succeeded(RUN(readonly_path, .path = str("/m/none"))), "READONLY_PATH skips a missing path");
}

static void attack(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		(void)syscall(SYS_renameat2, AT_FDCWD, ROOT "/race/dir", AT_FDCWD, ROOT "/race/link", RENAME_EXCHANGE);
}

static void test_race(void)
{
	unsigned int failed = 0;
	pid_t attacker;

	must(mkdir(ROOT "/race", 0755) == 0 && mkdir(ROOT "/race/dir", 0755) == 0, "mkdir");
	must(mkdir(ROOT "/race/dir/x", 0755) == 0 && symlink(CANARY, ROOT "/race/link") == 0, "race");
	attacker = fork();
	must(attacker >= 0, "fork");
	if (attacker == 0)
		attack();
	for (int i = 0; i < RACE_ROUNDS; i++)
		if (bind_mount("/tmp/source", "/race/dir/x", 0) < 0)
			failed++;
	must(kill(attacker, SIGKILL) == 0 && waitpid(attacker, NULL, 0) == attacker, "kill");
	printf("# %u of %d binds failed\n", failed, RACE_ROUNDS);
	OK(canary_is_untouched(), "MOUNT_BIND mounts nothing outside while a directory is exchanged for a link");
	OK(failed == 0, "MOUNT_BIND succeeds in spite of it");
}

int main(void)
{
	harness_start();
	test_rootfs();
	test_mount_fs();
	test_real_directory();
	test_copy_up();
	test_legacy();
	test_bind();
	test_masks();
	test_race();
	return tap_done();
}
