/*
 * What init does in and around the rootfs: private procfs, devices, links, console, sysctls, pivot_root and
 * its stand-in, and all of it once more in a user namespace.
 */
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "harness.h"
#include "procfs.h"

static bool is_char(const char *path, unsigned int major_number, unsigned int minor_number)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(major_number, minor_number);
}

static bool links_to(const char *path, const char *target)
{
	char text[256];
	ssize_t length = readlink(path, text, sizeof(text));

	return length == (ssize_t)strlen(target) && memcmp(text, target, strlen(target)) == 0;
}

static void test_procfs(void)
{
	cleanup_fd int status = procfs_openat(ctx.proc_fd, "self/status", O_RDONLY);
	cleanup_fd int file = open(CANARY "/victim", O_PATH | O_CLOEXEC);
	cleanup_fd int readable = procfs_reopen(ctx.proc_fd, file, O_RDONLY);
	char bytes[8] = "";
	uint64_t start = 0;

	OK(status >= 0, "procfs_openat opens below self");
	OK(procfs_openat(ctx.proc_fd, "self/root/etc", O_PATH) < 0 && errno == ELOOP,
		"procfs_openat refuses magic links");
	OK(procfs_openat(ctx.proc_fd, "../etc", O_PATH) < 0 && errno == EXDEV, "procfs_openat refuses ..");
	OK(procfs_openat(ctx.proc_fd, "/etc", O_PATH) < 0 && errno == EXDEV, "procfs_openat refuses an absolute path");
	OK(read(readable, bytes, 6) == 6 && strcmp(bytes, "victim") == 0, "procfs_reopen opens the same file");
	OK(procfs_start_time(ctx.proc_fd, getpid(), &start) == 0 && start > 0, "procfs_start_time reads this process");
	OK(procfs_start_time(ctx.proc_fd, 0x7ffffff, &start) < 0 && errno == ENOENT,
		"procfs_start_time misses a process that is not");
}

static int make_device(
	const char *path, mode_t mode, unsigned int major_number, unsigned int minor_number, uint32_t flags)
{
	return RUN(make_device, .path = str(path), .mode = mode, .major = major_number, .minor = minor_number, .uid = 3,
		.gid = 4, .flags = flags);
}

static void test_devices(void)
{
	struct stat st;

	OK(succeeded(make_device("/dev/null", S_IFCHR | 0666, 1, 3, 0)) && is_char(ROOT "/dev/null", 1, 3) &&
			stat(ROOT "/dev/null", &st) == 0 && (st.st_mode & 07777) == 0666 && st.st_uid == 3 &&
			st.st_gid == 4,
		"MAKE_DEVICE makes a node with mode and owner");
	OK(succeeded(make_device("/dev/null", S_IFCHR | 0666, 1, 3, 0)), "MAKE_DEVICE takes the right node as it is");
	OK(failed_as(make_device("/dev/null", S_IFCHR | 0666, 1, 5, 0), PROBLEM_WRONG_DEVICE, EEXIST),
		"MAKE_DEVICE refuses a node of other numbers");
	OK(failed_as(make_device("/dev/null", S_IFBLK | 0666, 1, 3, 0), PROBLEM_WRONG_DEVICE, EEXIST),
		"MAKE_DEVICE refuses a node of another kind");
	must(symlink(CANARY "/victim", ROOT "/dev/zero") == 0, "symlink");
	OK(failed_as(make_device("/dev/zero", S_IFCHR | 0666, 1, 5, 0), PROBLEM_WRONG_DEVICE, EEXIST),
		"MAKE_DEVICE refuses a symlink in the node's place");
	OK(succeeded(make_device("/dev/full", S_IFCHR | 0666, 1, 7, DEVICE_BIND)) && is_char(ROOT "/dev/full", 1, 7),
		"MAKE_DEVICE binds the host's node");
	OK(succeeded(make_device("/dev/tty", S_IFCHR | 0666, 1, 7, DEVICE_BIND)) && is_char(ROOT "/dev/tty", 1, 7) &&
			succeeded(make_device("/dev/renamed", S_IFCHR | 0666, 1, 9, DEVICE_BIND)) &&
			is_char(ROOT "/dev/renamed", 1, 9),
		"MAKE_DEVICE binds the one of these numbers where the host's of that path is another or missing");
	OK(failed_as(make_device("/dev/zero", S_IFCHR | 0666, 10, 250, DEVICE_BIND), PROBLEM_WRONG_DEVICE, EEXIST),
		"MAKE_DEVICE refuses a host node of other numbers");
	OK(succeeded(make_device("/dev/net/fifo", S_IFIFO | 0600, 0, 0, 0)),
		"MAKE_DEVICE makes a FIFO and its parents");
	must(mkdir(ROOT "/image", 0755) == 0 && symlink(CANARY, ROOT "/image/dev") == 0, "symlink");
	OK(succeeded(make_device("/image/dev/null", S_IFCHR | 0666, 1, 3, 0)) && is_char(ROOT CANARY "/null", 1, 3) &&
			canary_is_untouched(),
		"MAKE_DEVICE below a link to the outside stays inside");
}

static void test_symlinks(void)
{
	OK(succeeded(RUN(make_symlink, .path = str("/dev/fd"), .target = str("/proc/self/fd"))) &&
			links_to(ROOT "/dev/fd", "/proc/self/fd"),
		"MAKE_SYMLINK makes a link");
	OK(succeeded(RUN(make_symlink, .path = str("/dev/fd"), .target = str("x"))) &&
			links_to(ROOT "/dev/fd", "/proc/self/fd"),
		"MAKE_SYMLINK leaves an existing entry");
	OK(succeeded(RUN(make_symlink, .path = str("/dev/fd"), .target = str("x"), .flags = LINK_REPLACE)) &&
			links_to(ROOT "/dev/fd", "x"),
		"MAKE_SYMLINK with REPLACE replaces it");
	OK(succeeded(RUN(
		   make_symlink, .path = str("/dev/core"), .target = str("/none"), .flags = LINK_IF_TARGET_EXISTS)) &&
			!exists(ROOT "/dev/core"),
		"MAKE_SYMLINK skips a link to nowhere if asked");
	OK(succeeded(RUN(make_symlink, .path = str("/dev/core"), .target = str("net/fifo"),
		   .flags = LINK_IF_TARGET_EXISTS)) &&
			links_to(ROOT "/dev/core", "net/fifo"),
		"MAKE_SYMLINK looks for a relative target beside the link");
}

static void mount_fs(const char *type, const char *dest, struct plan_strv options)
{
	must(succeeded(RUN(mount_fs, .type = str(type), .source = str(type), .dest = str(dest), .options = options)),
		dest);
}

static int receive_master(int fd, char *name, size_t size)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec data = { .iov_base = name, .iov_len = size };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	int master;

	if (length < 0 || message.msg_controllen == 0)
		return -1;
	name[length] = '\0';
	memcpy(&master, CMSG_DATA(&control.header), sizeof(master));
	return master;
}

static void test_console(void)
{
	int stdout_copy = dup(1);
	int pair[2];
	int console;
	char name[64] = "";
	char line[64] = "";
	struct winsize size = { 0 };
	int master;
	int result;

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
	mount_fs("devpts", "/dev/pts", STRV("newinstance", "ptmxmode=0666", "mode=0620"));
	must(setsid() >= 0, "setsid");
	ctx.console_fd = pair[0];
	result = RUN(open_console, .width = 80, .height = 25, .flags = CONSOLE_BIND, .uid = 11, .gid = (uint32_t)-1);
	console = dup(1);
	(void)dup2(stdout_copy, 1);
	OK(succeeded(result), "OPEN_CONSOLE opens a pty");
	master = receive_master(pair[1], name, sizeof(name) - 1);
	OK(master >= 0 && strcmp(name, "/dev/pts/0") == 0, "OPEN_CONSOLE sends the master with the pty's name");
	OK(ioctl(0, TIOCGWINSZ, &size) == 0 && size.ws_col == 80 && size.ws_row == 25, "OPEN_CONSOLE sets the size");
	OK(write(console, "a\nb", 3) == 3 && read(master, line, sizeof(line)) == 3 && memcmp(line, "a\nb", 3) == 0,
		"OPEN_CONSOLE makes the slave stdout, without CR for LF");
	OK(open("/dev/tty", O_RDWR | O_CLOEXEC) >= 0, "OPEN_CONSOLE makes it the controlling terminal");
	OK(is_char(ROOT "/dev/console", 136, 0), "OPEN_CONSOLE binds it on /dev/console");
	OK(failed_as(RUN(open_console, .flags = 0), PROBLEM_SYSCALL, EBADF), "OPEN_CONSOLE fails without a socket");
	must(umount2(ROOT "/dev/console", MNT_DETACH) == 0 && unlink(ROOT "/dev/console") == 0, "console");
	must(symlink(CANARY "/victim", ROOT "/dev/console") == 0, "symlink");
	ctx.console_fd = pair[1];
	OK(failed_as(RUN(open_console, .flags = CONSOLE_BIND), PROBLEM_WRONG_DEVICE, ELOOP) && canary_is_untouched(),
		"OPEN_CONSOLE refuses a symlink at /dev/console");
}

static void test_fake_ptmx(void)
{
	must(mkdir(ROOT "/dev/pts", 0755) == 0 && mknod(ROOT "/dev/pts/ptmx", S_IFCHR | 0666, makedev(5, 2)) == 0,
		"ptmx");
	OK(failed_as(RUN(open_console, .flags = 0), PROBLEM_WRONG_DEVICE, ENODEV),
		"OPEN_CONSOLE refuses a ptmx that is not on a devpts");
}

static void test_sysctl(void)
{
	int fd;
	char value[16] = "";

	OK(succeeded(RUN(sysctl, .path = str("kernel/msgmax"), .value = str("12345"))), "SYSCTL writes a value");
	fd = procfs_openat(ctx.proc_fd, "sys/kernel/msgmax", O_RDONLY);
	OK(read(fd, value, sizeof(value)) == 6 && strncmp(value, "12345", 5) == 0, "SYSCTL's value is there");
	OK(failed_as(RUN(sysctl, .path = str("kernel/none"), .value = str("1")), PROBLEM_SYSCALL, ENOENT),
		"SYSCTL refuses an unknown key");
	OK(failed_as(RUN(sysctl, .path = str("../../etc/x"), .value = str("1")), PROBLEM_SYSCALL, EXDEV),
		"SYSCTL refuses ..");
}

/* After entering: nothing of the host is left, the rootfs descriptor is "/". */
static bool is_entered(void)
{
	char cwd[64] = "";

	return getcwd(cwd, sizeof(cwd)) != NULL && strcmp(cwd, "/") == 0 && exists("/image") &&
	       !exists("/tmp/canary/victim") && succeeded(RUN(make_directory, .path = str("/work/dir"))) &&
	       exists("/work/dir");
}

static void test_null(void)
{
	int stdin_copy = dup(0);
	struct stat st;
	struct stat null;

	(void)dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
	OK(succeeded(RUN(container_null, .origin = 0)) && fstat(0, &st) == 0 && stat(ROOT "/dev/null", &null) == 0 &&
			st.st_dev == null.st_dev && st.st_ino == null.st_ino,
		"CONTAINER_NULL reopens stdin on the container's null");
	must(rename(ROOT "/dev/null", ROOT "/dev/saved") == 0 && mkfifo(ROOT "/dev/null", 0666) == 0, "fifo");
	OK(failed_as(RUN(container_null, .origin = 0), PROBLEM_WRONG_DEVICE, ENODEV),
		"CONTAINER_NULL refuses what is no null");
	must(unlink(ROOT "/dev/null") == 0, "unlink");
	OK(succeeded(RUN(container_null, .origin = 0)), "CONTAINER_NULL lets a container without null be");
	must(rename(ROOT "/dev/saved", ROOT "/dev/null") == 0, "rename");
	(void)dup2(stdin_copy, 0);
	must(make_file("/tmp/out", ""), "out");
	(void)dup2(open("/tmp/out", O_RDONLY | O_CLOEXEC), 0);
	OK(succeeded(RUN(stdio_owner, .uid = 77)) && stat("/tmp/out", &st) == 0 && st.st_uid == 77,
		"STDIO_OWNER changes the owner");
	(void)dup2(stdin_copy, 0);
}

static void test_pivot(void)
{
	OK(succeeded(RUN(propagation, .propagation = MS_SLAVE, .flags = ATTR_RECURSIVE)),
		"PROPAGATION changes the host's tree");
	OK(succeeded(RUN(pivot_root, .origin = 0)) && is_entered(), "PIVOT_ROOT enters the rootfs");
	OK(succeeded(RUN(propagation, .propagation = MS_SHARED)), "PROPAGATION changes the container's root");
	OK(succeeded(RUN(set_mount_attr, .dest = str("/"), .attr_set = MOUNT_ATTR_RDONLY)) && mkdir("/x", 0755) < 0 &&
			errno == EROFS,
		"SET_MOUNT_ATTR makes the root read-only");
}

/* rootfsPropagation shared: the tree is shared when OPEN_ROOTFS comes. */
static void test_shared_pivot(void)
{
	must(mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) == 0, "shared");
	OK(succeeded(RUN(open_rootfs, .path = str(ROOT), .slot = NO_SLOT)) && succeeded(RUN(pivot_root, .origin = 0)) &&
			is_entered(),
		"PIVOT_ROOT works out of a shared tree");
}

static void test_move(void)
{
	mount_fs("proc", "/image", NO_STRV);
	OK(succeeded(RUN(move_root, .origin = 0)), "MOVE_ROOT enters the rootfs");
	OK(exists("/image/self"), "MOVE_ROOT leaves the container's procfs");
	{
		cleanup_fd int fd = procfs_openat(ctx.proc_fd, "self/mountinfo", O_RDONLY);
		char text[16384] = "";
		ssize_t length = read(fd, text, sizeof(text) - 1);
		const char *proc = strstr(text, " - proc ");

		OK(length > 0 && strstr(text, " - sysfs ") == NULL && proc != NULL &&
				strstr(proc + 1, " - proc ") == NULL,
			"MOVE_ROOT leaves no other procfs or sysfs in the namespace");
	}
}

static void map_root(void)
{
	must(make_file("/proc/self/setgroups", "deny"), "setgroups");
	must(make_file("/proc/self/uid_map", "0 0 1") && make_file("/proc/self/gid_map", "0 0 1"), "maps");
}

static void test_user_namespace(void)
{
	struct statfs fs;

	map_root();
	OK(succeeded(RUN(private_proc, .origin = 0)) && procfs_openat(ctx.proc_fd, "self/stat", O_RDONLY) >= 0,
		"PRIVATE_PROC falls back to a clone of /proc in a user namespace");
	OK(succeeded(RUN(open_rootfs, .path = str(ROOT), .slot = NO_SLOT)), "OPEN_ROOTFS works in a user namespace");
	OK(RUN(make_device, .path = str("/dev/urandom"), .mode = S_IFCHR | 0666, .major = 1, .minor = 9) == 0 &&
			is_char(ROOT "/dev/urandom", 1, 9),
		"MAKE_DEVICE binds after EPERM");
	OK(succeeded(RUN(mount_fs, .type = str("sysfs"), .source = str("sysfs"), .dest = str("/sys"),
		   .options = NO_STRV, .attr_set = MOUNT_ATTR_RDONLY,
		   .flags = MOUNT_REAL_DIRECTORY | MOUNT_BIND_HOST_SYSFS_ON_REFUSAL)) &&
			statfs(ROOT "/sys", &fs) == 0 && fs.f_type == SYSFS_MAGIC &&
			mkdir(ROOT "/sys/fs/cgroup/x", 0755) < 0 && errno == EROFS,
		"MOUNT_FS binds the host's sysfs, read-only with all below, where a new one is refused");
	OK(failed_as(RUN(mount_fs, .type = str("sysfs"), .source = str("sysfs"), .dest = str("/sys2"),
			     .options = NO_STRV),
		   PROBLEM_SYSCALL, EPERM),
		"MOUNT_FS is refused without that flag");
	OK(succeeded(RUN(mask_path, .path = str("/image"))) && succeeded(RUN(readonly_path, .path = str("/sys"))),
		"MASK_PATH and READONLY_PATH work in a user namespace");
	OK(succeeded(RUN(pivot_root, .origin = 0)) && exists("/image"), "PIVOT_ROOT works in a user namespace");
}

int main(void)
{
	harness_start();
	test_procfs();
	test_devices();
	test_symlinks();
	test_null();
	test_fake_ptmx();
	in_child(test_console, 0);
	in_child(test_sysctl, CLONE_NEWIPC);
	in_child(test_pivot, 0);
	in_child(test_shared_pivot, 0);
	in_child(test_move, 0);
	if (has_user_namespaces())
		in_child(test_user_namespace, CLONE_NEWUSER);
	else
		tap_skip("in a user namespace", "the kernel refuses user namespaces here");
	OK(canary_is_untouched(), "nothing was done outside the root");
	return tap_done();
}
