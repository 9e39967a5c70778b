/*
 * CONSOLE_CONNECT and OPEN_CONSOLE: config.md "terminal" and "consoleSize", pty(7), ioctl_tty(2).
 *
 * The pty comes from the container's own devpts, and both ends by descriptor: the multiplexer is
 * checked before it is opened, the peer comes from TIOCGPTPEER and is mounted on /dev/console by its
 * descriptor (CVE-2025-52565: /dev/pts/N may be replaced by a symlink).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <termios.h>

#include "../cleanup.h"
#include "../context.h"
#include "../device.h"
#include "../mounting.h"
#include "../procfs.h"
#include "../saferoot.h"
#include "../sys.h"
#include "../tty.h"
#include "../unixsocket.h"

#define CONSOLE_PATH "/dev/console"

int op_console_connect(struct context *ctx, const struct op_console_connect *op, struct failure *reterr)
{
	const char *path = ctx->args->console_socket;
	cleanup_fd int fd = -1;

	(void)op;
	if (ctx->args->console_fd >= 0) {
		ctx->console_fd = ctx->args->console_fd;
		if (fcntl(ctx->console_fd, F_SETFD, FD_CLOEXEC) < 0)
			return FAIL(reterr, "fcntl");
		return 0;
	}
	if (path == NULL || path[0] != '/') {
		errno = EINVAL;
		return FAIL_AS(reterr, PROBLEM_USAGE, "connect");
	}
	fd = unix_connect(SOCK_STREAM, path, ctx->signal_fd);
	if (fd < 0)
		return FAIL(reterr, "connect");
	ctx->console_fd = steal_fd(&fd);
	return 0;
}

static int open_master(const struct context *ctx, struct failure *reterr)
{
	cleanup_fd int ptmx = saferoot_open(ctx->rootfs_fd, "/dev/pts/ptmx", O_PATH | O_NOFOLLOW);
	cleanup_fd int master = -1;
	struct statfs fs;
	struct stat st;
	int unlock = 0;

	if (ptmx < 0)
		return FAIL(reterr, "openat2");
	if (fstat(ptmx, &st) < 0 || fstatfs(ptmx, &fs) < 0)
		return FAIL(reterr, "fstatfs");
	if (fs.f_type != DEVPTS_SUPER_MAGIC || !is_ptmx_device(&st)) {
		errno = ENODEV;
		return FAIL_AS(reterr, PROBLEM_WRONG_DEVICE, "fstatfs");
	}
	master = procfs_reopen(ctx->proc_fd, ptmx, O_RDWR | O_NOCTTY);
	if (master < 0)
		return FAIL(reterr, "openat");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return FAIL(reterr, "ioctl TIOCSPTLCK");
	return steal_fd(&master);
}

/* A new pty has ONLCR. Whoever reads the master wants what the program wrote, unless told otherwise. */
static int leave_line_ends(int master, struct failure *reterr)
{
	struct termios mode;

	if (tcgetattr(master, &mode) < 0)
		return FAIL(reterr, "tcgetattr");
	mode.c_oflag &= ~(tcflag_t)ONLCR;
	return tcsetattr(master, TCSANOW, &mode) < 0 ? FAIL(reterr, "tcsetattr") : 0;
}

static int set_size(int master, const struct op_open_console *op, struct failure *reterr)
{
	const struct winsize size = { .ws_row = (unsigned short)op->height, .ws_col = (unsigned short)op->width };

	if ((op->width != 0 || op->height != 0) && ioctl(master, TIOCSWINSZ, &size) < 0)
		return FAIL(reterr, "ioctl TIOCSWINSZ");
	return 0;
}

/* One message: the name of the pty, with the master attached. */
int tty_send_master(int socket_fd, int master, struct failure *reterr)
{
	char name[32];
	unsigned int number;
	int length;

	if (sys_ioctl(master, TIOCGPTN, &number) < 0)
		return FAIL(reterr, "ioctl TIOCGPTN");
	length = snprintf(name, sizeof(name), "/dev/pts/%u", number);
	return unix_send_fd(socket_fd, master, name, (size_t)length) < 0 ? FAIL(reterr, "sendmsg") : 0;
}

/* What is to be mounted on: never a symlink, and made by nobody else in between. */
static int console_target(const struct context *ctx, struct failure *reterr)
{
	const char *name = NULL;
	cleanup_fd int parent = saferoot_parent(ctx->rootfs_fd, CONSOLE_PATH, &name);
	cleanup_fd int made = -1;
	cleanup_fd int target = -1;
	struct stat st;

	if (parent < 0)
		return FAIL(reterr, "openat2");
	made = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0);
	if (made < 0 && errno != EEXIST)
		return FAIL(reterr, "openat");
	target = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return FAIL(reterr, "openat");
	if (fstat(target, &st) < 0)
		return FAIL(reterr, "fstat");
	if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)) {
		errno = ELOOP;
		return FAIL_AS(reterr, PROBLEM_WRONG_DEVICE, "openat");
	}
	return steal_fd(&target);
}

static int bind_console(const struct context *ctx, int slave, struct failure *reterr)
{
	cleanup_fd int target = console_target(ctx, reterr);
	cleanup_fd int tree = -1;

	if (target < 0)
		return -1;
	tree = mount_clone(slave, 0);
	if (tree < 0)
		return FAIL(reterr, "open_tree");
	return mount_attach(ctx, tree, target, CONSOLE_PATH, reterr);
}

static int become_terminal(int slave, struct failure *reterr)
{
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return FAIL(reterr, "ioctl TIOCSCTTY");
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(slave, fd) < 0)
			return FAIL(reterr, "dup2");
	return 0;
}

int op_open_console(struct context *ctx, const struct op_open_console *op, struct failure *reterr)
{
	cleanup_fd int master = -1;
	cleanup_fd int slave = -1;

	if (need_rootfs(ctx, reterr) < 0)
		return -1;
	master = open_master(ctx, reterr);
	if (master < 0)
		return -1;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return FAIL(reterr, "ioctl TIOCGPTPEER");
	if (!ctx->args->onlcr && leave_line_ends(master, reterr) < 0)
		return -1;
	if (set_size(master, op, reterr) < 0)
		return -1;
	if (fchown(slave, op->uid, op->gid) < 0)
		return FAIL(reterr, "fchown");
	if ((op->flags & CONSOLE_BIND) != 0 && bind_console(ctx, slave, reterr) < 0)
		return -1;
	if (tty_send_master(ctx->console_fd, master, reterr) < 0)
		return -1;
	if (become_terminal(slave, reterr) < 0)
		return -1;
	close_fd(&ctx->console_fd);
	ctx->console_ready = true;
	return 0;
}
